"""Short words that stand for what is not text, the same in imported and in live messages.

A model learns from them what was sent, so live messages must use the very words of the training data. Everything is in
square brackets except a sticker, whose emoji says it all.
"""

from __future__ import annotations

PHOTO = "[photo]"
GIF = "[gif]"
LOCATION = "[location]"
CONTACT = "[contact]"
GAME = "[game]"
INVOICE = "[invoice]"
GIVEAWAY = "[giveaway]"
STORY = "[story]"
TODO = "[to-do list]"
DICE = "[dice]"
OTHER = "[attachment]"

_NAME_CHARS_MAX = 80
_QUESTION_CHARS_MAX = 120


def describe_voice(seconds: float | None) -> str:
    """Return `[voice 0:07]`, or `[voice]` when the length is unknown."""
    return _timed("voice", seconds)


def describe_video_message(seconds: float | None) -> str:
    """Return `[video message 0:12]`: one of Telegram's round ones."""
    return _timed("video message", seconds)


def describe_video(seconds: float | None) -> str:
    """Return `[video 1:05]`."""
    return _timed("video", seconds)


def describe_audio(title: str | None, performer: str | None = None) -> str:
    """Return `[audio Performer - Title]`, as far as they are known."""
    return _named("audio", " - ".join(part for part in (performer, title) if part))


def describe_file(name: str | None) -> str:
    """Return `[file a.pdf]`, or `[file]` when the name is unknown."""
    return _named("file", name)


def describe_sticker(emoji: str | None) -> str:
    """Return the sticker's emoji, or `[sticker]` when it has none."""
    return (emoji or "").strip() or "[sticker]"


def describe_poll(question: str | None) -> str:
    """Return `[poll: question]`."""
    text = _flatten(question, _QUESTION_CHARS_MAX)
    return f"[poll: {text}]" if text else "[poll]"


def _timed(what: str, seconds: float | None) -> str:
    if not seconds or seconds < 0:
        return f"[{what}]"
    whole = max(1, round(seconds))
    return f"[{what} {whole // 60}:{whole % 60:02d}]"


def _named(what: str, name: str | None) -> str:
    text = _flatten(name, _NAME_CHARS_MAX)
    return f"[{what} {text}]" if text else f"[{what}]"


def _flatten(text: str | None, limit: int) -> str:
    # Brackets and line breaks in a name would end the placeholder early.
    flat = " ".join((text or "").replace("[", "(").replace("]", ")").split())
    return flat if len(flat) <= limit else flat[: limit - 1] + "…"
