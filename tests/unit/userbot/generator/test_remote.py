"""The remote generator: which form of request it settles on, and what it makes of a server's moods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from adapter_shelf import make_shelf
from fake_model import CharacterEncoder, decode_prompt
from fake_openai import FakeOpenAI
from telegram_stage import wait_until

from userbot.domain.errors import AdapterError, GeneratorError, GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt, PromptEncoder
from userbot.generator.remote import RemoteGenerator
from userbot.store.adapters import AdapterShelf

ASKED = Prompt(turns=(Turn(False, ("and?",)),), system="Chat with Vera.")


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(lambda asked: ("so\u2028yes\nno", "stop", 0.0), ["a1", "a2", "base"]).running() as started:
        yield started


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    return make_shelf(
        tmp_path, a1={}, a2={"session_gap_h": 1, "system_line": False}, plain={"text_format": "text"}, a3={}
    )


@pytest.fixture
async def remote(server: FakeOpenAI, shelf: AdapterShelf) -> AsyncIterator[RemoteGenerator]:
    made = RemoteGenerator(
        url=server.url, shelf=shelf, adapter_id="a1", api_key="key", sampling=Sampling(temperature=0.3), timeout_s=5
    )
    yield made
    await made.close()


async def test_request_names_the_adapter_and_carries_the_key(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    reply = await remote.generate(ASKED)
    [request] = server.requests
    assert (request["model"], request["stream"], request["temperature"]) == ("a1", True, 0.3)
    assert request["messages"] == [{"role": "user", "content": "Chat with Vera.\n\nand?"}]
    assert server.headers[0]["authorization"] == "Bearer key"
    assert reply.bubbles == ("so\nyes", "no")
    assert reply.prompt_tokens == 11


async def test_adapter_trained_without_a_line_on_the_contact_is_shown_none(
    server: FakeOpenAI, remote: RemoteGenerator
) -> None:
    for adapter_id in ("a2", "a1"):
        await remote.activate(adapter_id)
        await remote.generate(ASKED)
    assert [request["messages"][0]["content"] for request in server.requests] == ["and?", "Chat with Vera.\n\nand?"]


async def test_adapter_that_the_server_lacks_is_not_activated(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    with pytest.raises(AdapterError) as caught:
        await remote.activate("a3")
    assert str(caught.value) == (
        f"The model server at {server.url} does not serve 'a3'; it serves a1, a2, base. It can't load adapters while "
        f"it runs: start vLLM with --enable-lora and VLLM_ALLOW_RUNTIME_LORA_UPDATING=True, or SGLang with "
        f"--enable-lora; else load the adapter there under this name, then run `clone adapters use a3` again."
    )


class TestTokenIds:
    """Where the base's tokenizer is at hand, the server is sent token ids if it takes them."""

    @pytest.fixture
    async def remote(
        self, server: FakeOpenAI, shelf: AdapterShelf, loaded: list[tuple[str, str]]
    ) -> AsyncIterator[RemoteGenerator]:
        def load(base: str, text_format: str) -> PromptEncoder:
            loaded.append((base, text_format))
            return CharacterEncoder()

        made = RemoteGenerator(
            url=server.url,
            shelf=shelf,
            adapter_id="a1",
            base="base",
            load_encoder=load,
            timeout_s=5,
            allow_bare_base=True,
        )
        yield made
        await made.close()

    @pytest.fixture
    def loaded(self) -> list[tuple[str, str]]:
        return []

    async def test_server_that_takes_ids_gets_ids(self, server: FakeOpenAI, remote: RemoteGenerator) -> None:
        server._decode = decode_prompt
        reply = await remote.generate(ASKED)
        [request] = server.requests
        assert server.paths == ["completions"]
        assert "".join(map(chr, request["prompt"])) == "Chat with Vera.\nand?"
        assert request["stop_token_ids"] == [0]
        assert (reply.bubbles, reply.finish) == (("so\nyes", "no"), "stop")
        assert reply.prompt_tokens == len(request["prompt"])

    @pytest.mark.parametrize("status", [400, 404, 405, 422, 500, 501])
    async def test_server_that_refuses_ids_gets_messages_from_then_on(
        self, server: FakeOpenAI, remote: RemoteGenerator, status: int
    ) -> None:
        server._decode = decode_prompt
        server.statuses_by_path["completions"] = status
        for _ in range(2):
            assert (await remote.generate(ASKED)).bubbles == ("so\nyes", "no")
        assert ["messages" in request for request in server.requests] == [True, True]
        assert server.paths[-2:] == ["chat/completions", "chat/completions"]

    async def test_server_that_is_unavailable_has_refused_nothing(
        self, server: FakeOpenAI, remote: RemoteGenerator
    ) -> None:
        server._decode = decode_prompt
        server.statuses = [503, 502, 429]
        with pytest.raises(GeneratorUnavailableError):
            await remote.generate(ASKED)
        await remote.generate(ASKED)
        assert ["prompt" in request for request in server.requests] == [True]

    async def test_server_that_takes_ids_and_only_openais_fields_gets_these(
        self, server: FakeOpenAI, remote: RemoteGenerator
    ) -> None:
        server._decode = decode_prompt
        server.statuses = [422]
        await remote.generate(ASKED)
        await remote.generate(ASKED)
        assert server.paths == ["completions"] * 3
        assert ["stop_token_ids" in request for request in server.requests] == [False, False]

    async def test_failure_of_a_server_that_takes_ids_is_no_refusal(
        self, server: FakeOpenAI, remote: RemoteGenerator
    ) -> None:
        server._decode = decode_prompt
        server.statuses = [500]
        await remote.generate(ASKED)
        await remote.generate(ASKED)
        server.statuses = [500]
        await remote.generate(ASKED)
        assert set(server.paths) == {"completions"}
        assert all("stop_token_ids" in request for request in server.requests)

    async def test_server_that_took_ids_and_fails_gets_no_messages(
        self, server: FakeOpenAI, remote: RemoteGenerator
    ) -> None:
        server._decode = decode_prompt
        await remote.generate(ASKED)
        server.statuses = [500] * 3
        with pytest.raises(GeneratorUnavailableError, match="status 500"):
            await remote.generate(ASKED)
        assert set(server.paths) == {"completions"}

    @pytest.mark.parametrize("status", [400, 404, 422])
    async def test_refusal_after_an_answer_gives_up_no_form(
        self, server: FakeOpenAI, remote: RemoteGenerator, status: int
    ) -> None:
        server._decode = decode_prompt
        await remote.generate(ASKED)
        server.statuses = [status]
        await remote.generate(ASKED)
        await remote.generate(ASKED)
        assert "stop_token_ids" in server.requests[-1]

    async def test_tokenizer_that_was_not_to_be_had_is_looked_for_again(
        self, server: FakeOpenAI, shelf: AdapterShelf, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server._decode = decode_prompt
        encoders: list[PromptEncoder | None] = [None, None, CharacterEncoder()]
        remote = RemoteGenerator(
            url=server.url, shelf=shelf, adapter_id="a1", load_encoder=lambda _base, _format: encoders.pop(0)
        )
        await remote.generate(ASKED)
        await remote.generate(ASKED)
        assert len(encoders) == 2
        monkeypatch.setattr("userbot.generator.remote.RELOAD_S", 0.0)
        remote._target.reload_at = 0.0
        for _ in range(3):
            await remote.generate(ASKED)
        await remote.close()
        assert server.paths == ["chat/completions"] * 3 + ["completions"] * 2

    async def test_each_adapter_is_encoded_for_its_own_base_and_format(
        self, server: FakeOpenAI, remote: RemoteGenerator, loaded: list[tuple[str, str]]
    ) -> None:
        server._decode = decode_prompt
        server.models.append("plain")
        for adapter_id in ("plain", None):
            await remote.activate(adapter_id)
            await remote.generate(ASKED)
            await remote.generate(ASKED)
        assert loaded == [("tiny", "text"), ("base", "auto")]

    async def test_adapter_of_the_plain_text_format_is_never_asked_by_messages(
        self, server: FakeOpenAI, remote: RemoteGenerator
    ) -> None:
        server.models.append("plain")
        await remote.activate("plain")
        with pytest.raises(GeneratorError) as caught:
            await remote.generate(ASKED)
        assert str(caught.value) == (
            f"The adapter plain was trained on plain text, which only token ids can ask for, and the model server at "
            f"{server.url} refused them with status 404. Serve it with vLLM and install the extra `train` here, or "
            f"train an adapter with --set text_format=chat"
        )
        assert "chat/completions" not in server.paths


@pytest.mark.parametrize("encoder", ["none", "not at hand"])
async def test_without_a_tokenizer_only_the_plain_text_format_can_not_be_asked_for(
    server: FakeOpenAI, shelf: AdapterShelf, encoder: str
) -> None:
    load = None if encoder == "none" else (lambda _base, _format: None)
    remote = RemoteGenerator(url=server.url, shelf=shelf, adapter_id="a1", load_encoder=load)
    await remote.generate(ASKED)
    assert server.paths == ["chat/completions"]
    server.models.append("plain")
    await remote.activate("plain")
    with pytest.raises(GeneratorError, match="can't be sent them from here: the base's tokenizer or the extra `train`"):
        await remote.generate(ASKED)
    await remote.close()


async def test_bare_base_is_refused_unless_it_is_allowed(server: FakeOpenAI, shelf: AdapterShelf) -> None:
    remote = RemoteGenerator(url=server.url, shelf=shelf, base="base")
    with pytest.raises(GeneratorError, match=r"nobody's clone.*CLONE_GENERATOR__BARE_BASE=true"):
        await remote.generate(ASKED)
    assert server.requests == []
    await remote.close()


async def test_thoughts_of_a_reasoning_model_are_cut_off(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server._answer = lambda _asked: ("<think>\nthe user asks\n</think>\n\nyes", "stop", 0.0)
    assert (await remote.generate(ASKED)).bubbles == ("yes",)
    assert server.requests[0]["chat_template_kwargs"] == {"enable_thinking": False}


async def test_server_without_a_list_of_models_is_asked_for_the_adapter_by_name(
    server: FakeOpenAI, remote: RemoteGenerator
) -> None:
    server.statuses_by_path["models"] = 404
    assert (await remote.generate(ASKED)).bubbles[-1] == "no"
    assert server.requests[0]["model"] == "a1"


async def test_server_that_comes_back_is_asked_again(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses = [503, 429]
    assert (await remote.generate(ASKED)).bubbles[-1] == "no"


async def test_server_that_stays_unavailable_is_reported(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses = [503] * 3
    with pytest.raises(GeneratorUnavailableError) as caught:
        await remote.generate(ASKED)
    assert str(caught.value) == (
        f"The model server at {server.url} is unreachable (status 503). Start it, or set CLONE_GENERATOR__URL."
    )


async def test_server_that_is_not_there_is_unreachable(shelf: AdapterShelf) -> None:
    remote = RemoteGenerator(url="http://127.0.0.1:9/v1", shelf=shelf, adapter_id="a1", tries=1)
    with pytest.raises(GeneratorUnavailableError, match="is unreachable"):
        await remote.generate(ASKED)
    await remote.close()


async def test_login_in_the_address_is_not_shown(shelf: AdapterShelf) -> None:
    remote = RemoteGenerator(url="http://vera:secret@127.0.0.1:9/v1", shelf=shelf, adapter_id="a1", tries=1)
    with pytest.raises(GeneratorUnavailableError) as caught:
        await remote.generate(ASKED)
    assert str(caught.value).startswith("The model server at http://127.0.0.1:9/v1 is unreachable (")
    await remote.close()


async def test_address_that_is_none_is_an_error(shelf: AdapterShelf) -> None:
    remote = RemoteGenerator(url="http://[::1", shelf=shelf, adapter_id="a1", tries=1)
    with pytest.raises(GeneratorError, match="Check CLONE_GENERATOR__URL"):
        await remote.generate(ASKED)
    await remote.close()


async def test_reply_names_the_adapter_that_was_asked(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server._answer = lambda _asked: ("yes", "stop", 0.3)
    asked = asyncio.create_task(remote.generate(ASKED))
    await wait_until(lambda: bool(server.requests))
    await remote.activate("a2")
    assert (await asked).adapter_id == "a1"
    assert (await remote.generate(ASKED)).adapter_id == "a2"


async def test_error_names_the_model_that_was_asked(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses_by_path["chat/completions"] = 401
    with pytest.raises(GeneratorError, match="status 401 for the model 'a1'"):
        await remote.generate(ASKED)


async def test_cancelling_hangs_up(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server._answer = lambda _asked: ("late", "stop", 5.0)
    task = asyncio.create_task(remote.generate(ASKED))
    await wait_until(lambda: server.requests)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await wait_until(lambda: server.gone_away)


async def test_stream_that_breaks_off_counts_as_cut(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.raw = b'data: {"choices": [{"delta": {"content": "so I"}}]}\n\n'
    assert (await remote.generate(ASKED)).finish == "length"


async def test_server_that_knows_only_openais_fields_is_asked_with_these(
    server: FakeOpenAI, remote: RemoteGenerator
) -> None:
    server.statuses = [422]
    assert (await remote.generate(ASKED)).bubbles[-1] == "no"
    await remote.generate(ASKED)
    assert ["repetition_penalty" in request for request in server.requests] == [False, False]


async def test_refusal_that_is_not_about_fields_is_an_error(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses = [422, 422]
    with pytest.raises(GeneratorError, match="refused with status 422"):
        await remote.generate(ASKED)
