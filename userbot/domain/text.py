"""Conventions of text that every renderer shares: in training, in this process, and for a model server.

A bubble is a line. A line break inside one, and what looks like a mark of the model's, are written so that the model
can't mistake them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

LINE_BREAK = "\u2028"
"""Stands for a line break inside a bubble; a real one ends the bubble."""

LINE_BREAKS = "\n\r\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""What begins a new line to some reader or tokenizer."""

JOINER = "\u2060"
"""An invisible character (WORD JOINER) that breaks up what looks like a special token or role mark."""

OPENING = "…"
"""Stands for a contact's turn where the owner begins a conversation."""

CONTACT_MARK = "User:"
OWNER_MARK = "Clone:"
ROLE_MARKS = (CONTACT_MARK, OWNER_MARK)
"""Begin the lines of the two sides in the plain text format."""

REPORT_WORD = "[clone]"
"""Begins whatever the daemon writes to the owner in Saved Messages; nothing that begins so is a command."""

MAX_MESSAGE_CHARS = 4096
"""Telegram refuses longer messages."""

_BREAKS = re.compile(r"\r\n|[\r\n\u2028\u2029\x85]")
_MARKS = re.compile(rf"^(\s*(?:{'|'.join(mark[:-1] for mark in ROLE_MARKS)}))(?=\s*:)")
# Llama's and Mistral's, ChatML's and Llama 3's, DeepSeek's, Gemma's; lower-case words in brackets are people's own.
SPECIAL_MARKS = re.compile(
    r"</?s>|\[/?[A-Z][A-Z_]{2,30}\]|\[control_\d{1,4}\]|<<?/?SYS>>?|<\|[^|<>\n]{1,40}\|>|<｜[^｜<>\n]{1,40}｜>"
    r"|</?[a-z]{2,10}_of_[a-z]{2,10}>|<(?:bos|eos|pad|unk|mask)>"
)


def join_bubbles(bubbles: Iterable[str]) -> str:
    """Write a turn's bubbles as lines, stripped; a line break inside a bubble becomes U+2028."""
    return "\n".join(_BREAKS.sub(LINE_BREAK, bubble.strip()) for bubble in bubbles).strip()


def split_bubbles(text: str) -> tuple[str, ...]:
    """Read lines back as bubbles; empty ones are left out."""
    bubbles = (line.replace(LINE_BREAK, "\n").replace(JOINER, "").strip() for line in text.split("\n"))
    return tuple(bubble for bubble in bubbles if bubble)


def break_role_marks(text: str) -> str:
    """Break a role mark (`User:`, `Clone:`) at the beginning of a bubble by an invisible character."""
    return _MARKS.sub(rf"\1{JOINER}", text)
