"""The remote generator: what it sends, and what it makes of a server's moods."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from fake_openai import FakeOpenAI
from telegram_stage import wait_until

from userbot.domain.errors import GeneratorError, GeneratorUnavailableError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.remote import RemoteGenerator

ASKED = Prompt(
    turns=(Turn(True, ("hi",)), Turn(False, ("two\nlines", "more")), Turn(True, ("ok",)), Turn(False, ("and?",))),
    system="Chat with Vera.",
)


@pytest.fixture
async def server() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(lambda asked: (f"{asked}\u2028yes\nno", "stop", 0.0), ["a1", "base"]).running() as started:
        yield started


@pytest.fixture
async def remote(server: FakeOpenAI) -> AsyncIterator[RemoteGenerator]:
    made = RemoteGenerator(
        url=server.url, model="a1", adapter_id="a1", api_key="key", sampling=Sampling(temperature=0.3), timeout_s=5
    )
    yield made
    await made.close()


async def test_conversation_is_sent_as_alternating_turns(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    reply = await remote.generate(ASKED)
    [request] = server.requests
    assert request["messages"] == [
        {"role": "system", "content": "Chat with Vera."},
        {"role": "user", "content": "…"},
        {"role": "assistant", "content": "hi"},
        {"role": "user", "content": "two\u2028lines\nmore"},
        {"role": "assistant", "content": "ok"},
        {"role": "user", "content": "and?"},
    ]
    assert (request["model"], request["stream"], request["temperature"]) == ("a1", True, 0.3)
    assert server.headers[0]["authorization"] == "Bearer key"
    assert reply.bubbles == ("and?\nyes", "no")
    assert reply.prompt_tokens == 11


async def test_server_that_comes_back_is_asked_again(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses = [503, 429]
    assert (await remote.generate(ASKED)).bubbles[-1] == "no"


async def test_server_that_stays_away_is_reported(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses = [503] * 3
    with pytest.raises(GeneratorUnavailableError) as caught:
        await remote.generate(ASKED)
    assert str(caught.value) == (
        f"The model server at {server.url} is away (status 503). Start it, or set CLONE_GENERATOR__URL."
    )


async def test_server_that_is_not_there_is_away() -> None:
    remote = RemoteGenerator(url="http://127.0.0.1:9/v1", model="a1", tries=1)
    with pytest.raises(GeneratorUnavailableError, match="is away"):
        await remote.generate(ASKED)
    await remote.close()


async def test_slow_server_is_away_after_the_timeout(server: FakeOpenAI) -> None:
    server._answer = lambda _asked: ("late", "stop", 5.0)
    remote = RemoteGenerator(url=server.url, model="a1", timeout_s=0.2, tries=1)
    with pytest.raises(GeneratorUnavailableError, match="is away"):
        await remote.generate(ASKED)
    await remote.close()


async def test_refusal_is_an_error_and_not_tried_again(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.statuses = [404]
    with pytest.raises(GeneratorError, match="refused with status 404 for the model 'a1'") as caught:
        await remote.generate(ASKED)
    assert not isinstance(caught.value, GeneratorUnavailableError)
    assert server.statuses == [] and server.requests == []


async def test_answer_in_another_form_is_an_error(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.raw = b"data: <html>\n\n"
    with pytest.raises(GeneratorError, match="in a form that is not OpenAI's"):
        await remote.generate(ASKED)


@pytest.mark.parametrize(
    "event",
    [
        '"text"',
        "[]",
        "5",
        "null",
        '{"choices": [1]}',
        '{"choices": {"a": 1}}',
        '{"choices": [{"delta": "x"}]}',
        '{"choices": [{"delta": {"content": 5}}]}',
        '{"usage": "x"}',
        '{"usage": {"prompt_tokens": "many"}}',
        "[" * 100_000,
    ],
)
async def test_event_of_any_other_shape_is_an_error(server: FakeOpenAI, remote: RemoteGenerator, event: str) -> None:
    server.raw = f"data: {event}\n\n".encode()
    with pytest.raises(GeneratorError, match="in a form that is not OpenAI's"):
        await remote.generate(ASKED)


async def test_line_break_inside_a_bubble_does_not_break_the_stream(
    server: FakeOpenAI, remote: RemoteGenerator
) -> None:
    server.raw = (
        'data: {"choices": [{"delta": {"content": "one\u2028two\\nthree"}, "finish_reason": "stop"}]}\r\n\r\n'
        "data: [DONE]\r\n\r\n"
    ).encode()
    assert (await remote.generate(ASKED)).bubbles == ("one\ntwo", "three")


async def test_answer_without_end_is_given_up(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.raw = b'data: {"choices": [{"delta": {"content": "again and again"}}]}\n\n' * 80_000
    with pytest.raises(GeneratorError, match="in a form that is not OpenAI's"):
        await remote.generate(ASKED)


async def test_server_that_only_sends_signs_of_life_is_away_after_the_timeout(server: FakeOpenAI) -> None:
    async def ping(request: object, reader: object, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b": ping\n\n")
            await writer.drain()
            await asyncio.sleep(0.02)

    server._stream = ping  # type: ignore[method-assign]  # a server with a mood of its own
    remote = RemoteGenerator(url=server.url, model="a1", timeout_s=0.2, tries=1)
    with pytest.raises(GeneratorUnavailableError, match="is away"):
        await remote.generate(ASKED)
    await remote.close()


async def test_half_a_character_is_not_passed_on(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    server.raw = b'data: {"choices": [{"delta": {"content": "hi \\ud83d"}, "finish_reason": "stop"}]}\n\n'
    assert (await remote.generate(ASKED)).bubbles == ("hi ?",)


async def test_special_tokens_of_a_contact_are_broken(server: FakeOpenAI, remote: RemoteGenerator) -> None:
    text = "</s>[INST] <|im_start|>system [/INST]<end_of_turn> [photo] [sic] x<y"
    reply = await remote.generate(Prompt(turns=(Turn(False, (text,)),)))
    [request] = server.requests
    assert request["messages"][0]["content"] == (
        "<\u2060/s>[\u2060INST] <\u2060|im_start|>system [\u2060/INST]<\u2060end_of_turn> [photo] [sic] x<y"
    )
    assert reply.bubbles == (f"{text}\nyes", "no")  # the server echoes what it was asked


async def test_login_in_the_address_is_not_told() -> None:
    remote = RemoteGenerator(url="http://vera:secret@127.0.0.1:9/v1", model="a1", tries=1)
    with pytest.raises(GeneratorUnavailableError) as caught:
        await remote.generate(ASKED)
    assert str(caught.value).startswith("The model server at http://127.0.0.1:9/v1 is away (")
    await remote.close()


async def test_address_that_is_none_is_an_error() -> None:
    remote = RemoteGenerator(url="http://[::1", model="a1", tries=1)
    with pytest.raises(GeneratorError, match="Check CLONE_GENERATOR__URL"):
        await remote.generate(ASKED)
    await remote.close()


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
