"""Log in and out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Ask = Callable[[], Awaitable[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is logged in."""

    id: int
    name: str
    username: str | None
