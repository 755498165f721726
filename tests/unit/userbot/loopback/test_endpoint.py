"""Where a loopback server listens."""

from __future__ import annotations

import pytest
from telethon.sessions import MemorySession

from userbot.loopback import LoopbackEndpoint, LoopbackThread


def test_endpoint_survives_json() -> None:
    endpoint = LoopbackEndpoint("127.0.0.1", 4321, 2, "-----BEGIN RSA PUBLIC KEY-----")
    assert LoopbackEndpoint.from_json(endpoint.to_json()) == endpoint


def test_text_that_is_no_endpoint_is_refused() -> None:
    with pytest.raises(ValueError) as caught:
        LoopbackEndpoint.from_json('{"host": "127.0.0.1"}')
    assert str(caught.value) == (
        "The loopback endpoint can't be read (TypeError): "
        "write it with LoopbackEndpoint.to_json() of the running server."
    )


def test_session_is_pointed_at_the_server() -> None:
    with LoopbackThread() as thread:
        endpoint = thread.server.endpoint
        session = MemorySession()
        endpoint.apply(session)
        assert (session.dc_id, session.server_address, session.port) == (endpoint.dc_id, "127.0.0.1", endpoint.port)
