"""Health and metrics of the daemon over HTTP, on the loopback interface only, for programs of this machine only."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread
from typing import Any

import h11
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from userbot.domain.errors import ConfigError
from userbot.domain.metrics import Metrics

HOST = "127.0.0.1"
ALLOWED_HOSTS = frozenset({HOST, "localhost", "[::1]"})
"""Names under which a browser may ask. Another one is a page whose name was made to mean this machine."""

REQUEST_BYTES = 8192
"""Longest request, with its headers."""

REQUEST_S = 5.0
"""Time for one request and its answer, however slowly it arrives."""

CONNECTIONS = 32
"""Connections at a time; further ones are closed unanswered."""

_HEADERS = (
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Content-Type-Options", "nosniff"),
    ("Connection", "close"),
)
_TEXT = "text/plain; charset=utf-8"

ReadHealth = Callable[[], tuple[bool, Mapping[str, Any]]]


@dataclass(frozen=True, slots=True)
class _Answer:
    status: int
    content_type: str
    body: bytes


@contextmanager
def serve_health(
    port: int | None, *, metrics: Metrics, read_health: ReadHealth, request_s: float = REQUEST_S
) -> Iterator[int | None]:
    """Answer GET /health and /metrics while the context lasts, from a thread: it answers even if the loop hangs.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one, None serves nothing.
        metrics: What /metrics shows.
        read_health: Returns whether all is well, and what /health shows; called on the server's thread. The status
            is 200 if all is well, else 503.
        request_s: Time for one request, seconds.

    Yields:
        The port; None where nothing is served.

    Raises:
        ConfigError: The port is taken.
    """
    if port is None:
        yield None
        return
    try:
        listener = socket.create_server((HOST, port), backlog=CONNECTIONS)
    except OSError as exc:
        raise ConfigError(
            f"The health endpoint can't listen on port {port}: {os.strerror(exc.errno or 0)}. "
            f"Set another CLONE_HEALTH__PORT."
        ) from exc
    loop = asyncio.new_event_loop()
    stop, server = asyncio.Event(), _HealthServer(metrics, read_health, request_s=request_s)
    thread = Thread(target=_serve, args=(loop, listener, server, stop), name="health", daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
        listener.close()


def _serve(
    loop: asyncio.AbstractEventLoop, listener: socket.socket, server: _HealthServer, stop: asyncio.Event
) -> None:
    async def serve() -> None:
        listening = await asyncio.start_server(server.serve, sock=listener)
        await stop.wait()
        listening.close()
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    loop.run_until_complete(serve())


class _HealthServer:
    """Answers one request a connection."""

    def __init__(self, metrics: Metrics, read_health: ReadHealth, *, request_s: float) -> None:
        self._metrics = metrics
        self._read_health = read_health
        self._request_s = request_s
        self._open = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer, and close the connection; a client that is too slow, or one too many, gets no answer."""
        self._open += 1
        try:
            if self._open <= CONNECTIONS:
                async with asyncio.timeout(self._request_s):
                    await self._converse(reader, writer)
        except (TimeoutError, OSError):
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=REQUEST_BYTES)
        try:
            request = await _read_request(connection, reader)
            if request is None:
                return
            answer = self._answer(request)
        except h11.RemoteProtocolError as exc:
            request, answer = None, _Answer(exc.error_status_hint, _TEXT, b"This is no request of HTTP.\n")
        headers = [*_HEADERS, ("Content-Type", answer.content_type), ("Content-Length", str(len(answer.body)))]
        if answer.status == 405:
            headers.append(("Allow", "GET, HEAD"))
        writer.write(connection.send(h11.Response(status_code=answer.status, headers=headers)) or b"")
        if request is None or request.method != b"HEAD":
            writer.write(connection.send(h11.Data(data=answer.body)) or b"")
        await writer.drain()

    def _answer(self, request: h11.Request) -> _Answer:
        if request.method not in (b"GET", b"HEAD"):
            return _Answer(405, _TEXT, b"Only GET and HEAD are answered.\n")
        if not _is_local(request):
            return _Answer(421, _TEXT, b"Ask for 127.0.0.1 or localhost.\n")
        path = request.target.partition(b"?")[0]
        if path == b"/metrics":
            return _Answer(200, CONTENT_TYPE_LATEST, generate_latest(self._metrics.registry))
        if path != b"/health":
            return _Answer(404, _TEXT, b"See /health and /metrics.\n")
        is_well, shown = self._read_health()
        return _Answer(200 if is_well else 503, "application/json", json.dumps(shown).encode() + b"\n")


async def _read_request(connection: h11.Connection, reader: asyncio.StreamReader) -> h11.Request | None:
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            return event
        if event is not h11.NEED_DATA:  # closed before it had asked
            return None
        connection.receive_data(await reader.read(REQUEST_BYTES))


def _is_local(request: h11.Request) -> bool:
    hosts = [value.decode("latin-1").lower() for name, value in request.headers if name == b"host"]
    return len(hosts) == 1 and hosts[0].rpartition(":")[0 if _has_port(hosts[0]) else 2] in ALLOWED_HOSTS


def _has_port(host: str) -> bool:
    return host.rpartition(":")[2].isdigit()
