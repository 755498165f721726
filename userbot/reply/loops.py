"""Notice that the clone is talking to another machine."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import SequenceMatcher
from itertools import pairwise

from userbot.domain.messages import Message, Origin, Turn, fold_turns

SIMILARITY = 0.85
TURNS = 4
"""Contact turns in a row that must resemble each other; people repeat themselves once or twice, seldom three times."""


def find_loop(window: Sequence[Message]) -> str | None:
    """Return what looks like a loop, or None.

    What counts came after the owner's last own message: contact and clone taking turns, with the contact saying nearly
    the same each time, or repeating the clone's words.

    Args:
        window: The newest messages of the chat, oldest first.
    """
    turns = fold_turns(_after_owner(window))
    theirs = [turn for turn in turns if not turn.mine]
    if len(theirs) < TURNS:
        return None
    if all(_alike(old, new) for old, new in pairwise(theirs[-TURNS:])):
        return "the contact repeats itself like a machine"
    echoes = [_alike(old, new) for old, new in pairwise(turns) if old.mine and not new.mine]
    if len(echoes) >= TURNS - 1 and all(echoes[-(TURNS - 1) :]):
        return "the contact gives the clone's words back"
    return None


def _after_owner(window: Sequence[Message]) -> Sequence[Message]:
    last = max((n for n, message in enumerate(window) if message.origin is Origin.OWNER), default=-1)
    return window[last + 1 :]


def _alike(old: Turn, new: Turn) -> bool:
    return SequenceMatcher(None, _plain(old), _plain(new), autojunk=False).ratio() >= SIMILARITY


def _plain(turn: Turn) -> str:
    # A counter or a clock in the text is what makes a machine's lines differ.
    return re.sub(r"\d+", "0", " ".join(turn.bubbles).casefold())[:500]
