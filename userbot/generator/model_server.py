"""One model server over HTTP: streamed answers, its list of models, and errors that quote nothing of the server."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import Any

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from userbot.domain.errors import GeneratorError, GeneratorUnavailableError
from userbot.generator.answer_stream import MALFORMED, Answer, read_answer

CONNECT_TIMEOUT_S = 5.0
TRIES = 3

CHOOSY_STATUS = frozenset({400, 422})
"""What servers answer to fields, or to a kind of prompt, that they don't know."""

NO_ENDPOINT_STATUS = frozenset({404, 405, 501})
"""What servers answer where they have no such endpoint, or no such model."""

SERVER_ERROR = 500
UNAVAILABLE_STATUS = frozenset({408, 425, 429, SERVER_ERROR, 502, 503, 504})

_LOGIN = re.compile(r"(?<=//)[^/?#]*@")
_VERSION = re.compile(r"/v\d+$")


class RefusedError(Exception):
    """The server refuses this form of request, or does not know the model.

    Args:
        status: Of its answer.
    """

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class ServerFailedError(GeneratorUnavailableError):
    """Status 500: the server is in trouble, or can't read the request."""


class ModelServer:
    """Speaks HTTP with one server.

    Args:
        url: Address up to and including the version, such as `http://127.0.0.1:8000/v1`.
        api_key: Sent as a bearer token.
        timeout_s: Longest wait for a whole answer, seconds.
        tries: Attempts while the server is unavailable, before `GeneratorUnavailableError`.
        transport: For tests of the transport; None is the network.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 120.0,
        tries: int = TRIES,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.url = url.rstrip("/")
        self.shown_url = _LOGIN.sub("", self.url)
        self._timeout_s = timeout_s
        self._tries = tries
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._client = httpx.AsyncClient(
            headers=headers,
            timeout=httpx.Timeout(timeout_s, connect=CONNECT_TIMEOUT_S),
            transport=transport,
            # A redirect would carry the prompt to where nobody allowed it.
            follow_redirects=False,
            # HTTP_PROXY and its like: through a proxy https stays sealed, while http, here loopback, would be read.
            trust_env=self.url.lower().startswith("https:"),
        )

    @property
    def root(self) -> str:
        """Return the address without the version, where servers have what is not OpenAI's."""
        return _VERSION.sub("", self.url)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def ask(self, path: str, body: Mapping[str, Any]) -> Answer:
        """Ask for a streamed answer, and again while the server is unavailable.

        Args:
            path: Below the address.
            body: Of the request; it names the `model`.

        Raises:
            RefusedError: The server does not take such a request.
            ServerFailedError: It answers with status 500 each time.
            GeneratorUnavailableError: It can't be reached.
            GeneratorError: It refuses for another reason, or answers in another form than OpenAI's.
        """
        retrying = AsyncRetrying(
            retry=retry_if_exception_type(GeneratorUnavailableError),
            stop=stop_after_attempt(self._tries),
            wait=wait_random_exponential(multiplier=0.2, max=5.0),
            reraise=True,
        )
        async for attempt in retrying:
            with attempt:
                answer = await self._ask(path, body)
        return answer

    async def list_models(self) -> list[str]:
        """Return the names of what the server serves.

        Raises:
            RefusedError: It has no such list.
            GeneratorUnavailableError: It can't be reached.
            GeneratorError: It refuses, or answers in another form than OpenAI's.
        """
        response = await self._send("GET", f"{self.url}/models")
        if response.status_code in CHOOSY_STATUS | NO_ENDPOINT_STATUS:
            raise RefusedError(response.status_code)
        self._check(response, model="any")
        try:
            return [str(entry["id"]) for entry in response.json()["data"]]
        except MALFORMED as exc:
            raise GeneratorError(f"The model server at {self.shown_url} gave no list of models at /models.") from exc

    async def call(self, method: str, url: str, body: Any = None) -> tuple[int, Any]:
        """Call what is not OpenAI's; return the status, and the answer's JSON or None.

        Raises:
            GeneratorUnavailableError: The server can't be reached.
        """
        response = await self._send(method, url, body)
        try:
            return response.status_code, response.json()
        except ValueError:
            return response.status_code, None

    def refuse(self, model: str, status: int) -> GeneratorError:
        """Return the error for a refusal. The server's own words may quote the prompt, so they are not in it."""
        return GeneratorError(
            f"The model server at {self.shown_url} refused with status {status} for the model {model!r}. "
            f"Check CLONE_GENERATOR__URL and CLONE_GENERATOR__API_KEY, and what the server serves."
        )

    async def _ask(self, path: str, body: Mapping[str, Any]) -> Answer:
        try:
            # The client's own limit is between two pieces, and a server may send pieces for ever.
            async with (
                asyncio.timeout(self._timeout_s),
                self._client.stream("POST", f"{self.url}/{path}", json=body) as response,
            ):
                if response.status_code in CHOOSY_STATUS | NO_ENDPOINT_STATUS:
                    raise RefusedError(response.status_code)
                self._check(response, model=body["model"])
                return await read_answer(response)
        except (httpx.HTTPError, TimeoutError) as exc:
            raise self._unreachable(type(exc).__name__) from exc
        except MALFORMED as exc:
            raise GeneratorError(
                f"The model server at {self.shown_url} answered in a form that is not OpenAI's "
                f"({type(exc).__name__}). Check CLONE_GENERATOR__URL; it should end in /v1."
            ) from exc

    async def _send(self, method: str, url: str, body: Any = None) -> httpx.Response:
        try:
            return await self._client.request(method, url, json=body)
        except httpx.HTTPError as exc:
            raise self._unreachable(type(exc).__name__) from exc
        except httpx.InvalidURL as exc:
            raise GeneratorError(
                f"The address {self.shown_url} can't be read. Check CLONE_GENERATOR__URL; it should end in /v1."
            ) from exc

    def _check(self, response: httpx.Response, *, model: str) -> None:
        status = response.status_code
        if response.is_success:
            return
        if status in UNAVAILABLE_STATUS:
            kind = ServerFailedError if status == SERVER_ERROR else GeneratorUnavailableError
            raise self._unreachable(f"status {status}", kind=kind)
        raise self.refuse(model, status)

    def _unreachable(
        self, why: str, *, kind: type[GeneratorUnavailableError] = GeneratorUnavailableError
    ) -> GeneratorUnavailableError:
        return kind(
            f"The model server at {self.shown_url} is unreachable ({why}). Start it, or set CLONE_GENERATOR__URL."
        )
