"""Answers to API requests, one module per namespace or topic; importing this package registers them all."""

from userbot.loopback.handlers import auth, channels, dialogs, history, media, messages, people, updates
from userbot.loopback.handlers.registry import Call, Services, respond, unwrap

__all__ = [
    "Call",
    "Services",
    "auth",
    "channels",
    "dialogs",
    "history",
    "media",
    "messages",
    "people",
    "respond",
    "unwrap",
    "updates",
]
