"""One model server over HTTP: addresses, retries, and errors that quote nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import pytest
from fake_openai import FakeOpenAI

from userbot.domain.errors import GeneratorError, GeneratorUnavailableError
from userbot.generator.model_server import ModelServer, RefusedError, ServerFailedError

BODY = {"model": "a1", "messages": [{"role": "user", "content": "a secret"}]}


@pytest.fixture
async def fake() -> AsyncIterator[FakeOpenAI]:
    async with FakeOpenAI(lambda _asked: ("yes", "stop", 0.0), ["a1"]).running() as started:
        yield started


@pytest.mark.parametrize(
    ("url", "root"),
    [
        ("http://h:1/v1", "http://h:1"),
        ("http://h:1/v1/", "http://h:1"),
        ("http://h/api/v2", "http://h/api"),
        ("http://h:1", "http://h:1"),
    ],
)
def test_root_is_the_address_without_the_version(url: str, root: str) -> None:
    assert ModelServer(url).root == root


async def test_unavailable_server_is_asked_again_and_a_refusal_is_final(fake: FakeOpenAI) -> None:
    server = ModelServer(fake.url)
    fake.statuses = [503, 429]
    assert (await server.ask("chat/completions", BODY)).text == "yes"
    fake.statuses = [422, 200]
    with pytest.raises(RefusedError):
        await server.ask("chat/completions", BODY)
    assert len(fake.paths) == 4
    await server.close()


async def test_status_500_each_time_is_told_from_other_failures(fake: FakeOpenAI) -> None:
    server = ModelServer(fake.url, tries=2)
    fake.statuses = [500, 500]
    with pytest.raises(ServerFailedError, match="status 500"):
        await server.ask("chat/completions", BODY)
    await server.close()


async def test_call_returns_status_and_json_or_none(fake: FakeOpenAI) -> None:
    server = ModelServer(fake.url)
    assert await server.call("GET", f"{server.url}/models") == (200, {"data": [{"id": "a1"}]})
    assert (await server.call("POST", f"{server.root}/nothing", {}))[0] == 404
    await server.close()


async def test_errors_quote_neither_prompt_nor_key_nor_login() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        return httpx.Response(403, text=f"{request.content!r} {request.headers}")

    server = ModelServer("http://vera:pass@h:1/v1", api_key="key1", transport=httpx.MockTransport(refuse))
    for attempt in (server.ask("chat/completions", BODY), server.list_models()):
        with pytest.raises(GeneratorError) as caught:
            await attempt
        assert [word for word in ("secret", "key1", "vera", "pass@") if word in str(caught.value)] == []
    await server.close()


async def test_redirect_is_not_followed() -> None:
    seen: list[str] = []

    def redirect(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.host)
        return httpx.Response(307, headers={"location": "http://elsewhere/v1/chat/completions"})

    server = ModelServer("http://h:1/v1", tries=1, transport=httpx.MockTransport(redirect))
    with pytest.raises(GeneratorError):
        await server.ask("chat/completions", BODY)
    assert seen == ["h"]
    await server.close()


async def test_server_that_is_not_there_is_unreachable() -> None:
    server = ModelServer("http://127.0.0.1:9/v1", tries=1)
    with pytest.raises(GeneratorUnavailableError, match="is unreachable"):
        await server.list_models()
    await server.close()


async def test_proxy_of_the_environment_sees_no_prompt_for_this_machine(
    fake: FakeOpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = ModelServer(fake.url, tries=1)
    assert (await server.ask("chat/completions", BODY)).text == "yes"
    await server.close()


def test_login_is_not_shown_whatever_it_holds() -> None:
    assert ModelServer("https://vera:p@ss@h:1/v1").shown_url == "https://h:1/v1"
