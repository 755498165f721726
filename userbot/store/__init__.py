"""The database: schema, engine, and repositories that return values."""

from userbot.store.store import Store

__all__ = ["Store"]
