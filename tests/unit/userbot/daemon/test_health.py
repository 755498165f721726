"""Health, metrics and logs of the daemon."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import httpx
import pytest

from userbot.daemon.health import serve_health
from userbot.daemon.logs import set_up_logging
from userbot.domain.errors import ConfigError
from userbot.domain.metrics import Metrics


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


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


@pytest.mark.usefixtures("untouched_logging")
def test_json_log_has_one_object_a_line_with_the_trace() -> None:
    stream = io.StringIO()
    set_up_logging("json", "info", stream=stream)
    logging.getLogger("userbot.test").info("sent %d", 2)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("userbot.test").exception("failed")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["logger"], first["text"]) == ("info", "userbot.test", "sent 2")
    assert "ValueError: broken" in second["trace"]


@pytest.mark.usefixtures("untouched_logging")
def test_human_log_keeps_libraries_quiet() -> None:
    stream = io.StringIO()
    set_up_logging("human", "info", stream=stream)
    logging.getLogger("httpx").info("POST …")
    logging.getLogger("userbot.test").info("hello")
    assert stream.getvalue().rstrip().endswith("INFO    userbot.test: hello")
    assert "POST" not in stream.getvalue()
