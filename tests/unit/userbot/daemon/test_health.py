"""Health and metrics over HTTP."""

from __future__ import annotations

import httpx
import pytest

from userbot.daemon.health import serve_health
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
