"""Health and metrics over HTTP."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator

import httpx
import pytest

from userbot.daemon.health import CONNECTIONS, REQUEST_BYTES, serve_health
from userbot.domain.errors import ConfigError
from userbot.domain.metrics import Metrics


def test_health_and_metrics_are_served_on_the_loopback_interface() -> None:
    metrics = Metrics()
    metrics.sent.inc(3)
    state = {"well": True}
    with serve_health(0, metrics=metrics, read_health=lambda: (state["well"], {"state": "connected"})) as port:
        url = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{url}/health").json() == {"state": "connected"}
        assert "clone_sent_bubbles_total 3.0" in httpx.get(f"{url}/metrics").text
        assert httpx.get(f"{url}/other").status_code == 404
        state["well"] = False
        assert httpx.get(f"{url}/health").status_code == 503


def test_nothing_is_served_without_a_port() -> None:
    with serve_health(None, metrics=Metrics(), read_health=lambda: (True, {})) as port:
        assert port is None


def test_taken_port_is_refused_with_the_setting_to_change() -> None:
    with (
        serve_health(0, metrics=Metrics(), read_health=lambda: (True, {})) as port,
        pytest.raises(ConfigError) as caught,
        serve_health(port, metrics=Metrics(), read_health=lambda: (True, {})),
    ):
        pass
    assert str(caught.value) == (
        f"The health endpoint can't listen on port {port}: Address already in use. Set another CLONE_HEALTH__PORT."
    )


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of an endpoint that gives clients 0.3 s."""
    with serve_health(0, metrics=Metrics(), read_health=lambda: (True, {"a": 1}), request_s=0.3) as port:
        assert port is not None
        yield port


def _talk(port: int, *pieces: bytes, pause_s: float = 0.0) -> bytes:
    """Send pieces with pauses between, and return all that came back until the other side closed."""
    with socket.create_connection(("127.0.0.1", port), timeout=5) as client:
        received = b""
        try:
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause_s)
            while data := client.recv(4096):
                received += data
        except ConnectionError:
            pass
        return received


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "127.0.0.1.evil.example",
        "localhost.evil.example:80",
        "127.0.0.1@evil.example",
        "",
        "192.168.1.7",
    ],
)
def test_page_whose_name_was_made_to_mean_this_machine_learns_nothing(port: int, host: str) -> None:
    for path in ("health", "metrics"):
        answer = httpx.get(f"http://127.0.0.1:{port}/{path}", headers={"host": host})
        assert (answer.status_code, "clone_" in answer.text) == (421, False)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "LOCALHOST:9", "[::1]:8081"])
def test_names_of_this_machine_are_answered(port: int, host: str) -> None:
    assert httpx.get(f"http://127.0.0.1:{port}/health", headers={"host": host}).status_code == 200


def test_two_host_headers_are_refused(port: int) -> None:
    answer = _talk(port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n")
    assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 421"))


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_only_reading_is_answered(port: int, method: str) -> None:
    answer = httpx.request(method, f"http://127.0.0.1:{port}/health")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD")


def test_head_has_no_body_and_every_answer_has_safe_headers(port: int) -> None:
    answer = httpx.head(f"http://127.0.0.1:{port}/health")
    assert (answer.status_code, answer.content, answer.headers["content-length"]) == (200, b"", "9")
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers


def test_request_that_is_too_long_is_cut_off(port: int) -> None:
    answer = _talk(port, b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"x" * (2 * REQUEST_BYTES))
    assert not answer or answer.startswith(b"HTTP/1.1 431")


def test_slow_client_is_cut_off_though_it_keeps_sending(port: int) -> None:
    began = time.monotonic()
    assert _talk(port, b"GET", *[b" "] * 8, pause_s=0.1) == b""
    assert time.monotonic() - began < 3


def test_many_silent_clients_shut_nobody_out_for_long(port: int) -> None:
    clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(CONNECTIONS + 8)]
    time.sleep(0.6)
    assert httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    for client in clients:
        client.close()


def test_other_addresses_of_this_machine_are_not_listened_on(port: int) -> None:
    if os.uname().sysname == "Linux":
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)
