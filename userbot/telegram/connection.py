"""The connection and its supervision."""

from __future__ import annotations

from enum import StrEnum


class ConnectionState(StrEnum):
    """What the connection does now."""

    CONNECTING = "connecting"
    CATCHING_UP = "catching up"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    NEEDS_LOGIN = "needs login"
    LOST = "session lost"
