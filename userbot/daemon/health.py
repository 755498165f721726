"""Health and metrics of the daemon over HTTP, on the loopback interface only."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import make_wsgi_app

from userbot.domain.errors import ConfigError
from userbot.domain.metrics import Metrics

HOST = "127.0.0.1"


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name in the standard library
        """Log no requests."""


@contextmanager
def serve_health(
    port: int | None, *, metrics: Metrics, read_health: Callable[[], tuple[bool, Mapping[str, Any]]]
) -> Iterator[int | None]:
    """Answer GET /health and /metrics while the context lasts, from a thread: it answers even if the loop hangs.

    Args:
        port: Port on 127.0.0.1; 0 takes a free one, None serves nothing.
        metrics: What /metrics shows.
        read_health: Returns whether all is well, and what /health shows; called on the server's thread. The status
            is 200 if all is well, else 503.

    Yields:
        The port; None where nothing is served.

    Raises:
        ConfigError: The port is taken.
    """
    if port is None:
        yield None
        return
    show_metrics = make_wsgi_app(metrics.registry)

    def respond(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/metrics":
            page: Iterable[bytes] = show_metrics(environ, start_response)
            return page
        if environ["PATH_INFO"] != "/health":
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"See /health and /metrics.\n"]
        is_well, shown = read_health()
        start_response("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "application/json")])
        return [json.dumps(shown).encode() + b"\n"]

    try:
        server = make_server(HOST, port, respond, server_class=WSGIServer, handler_class=_Silent)
    except OSError as exc:
        raise ConfigError(
            f"The health endpoint can't listen on port {port}: {exc.strerror}. Set another CLONE_HEALTH__PORT."
        ) from exc
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.2}, name="health", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
