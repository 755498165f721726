"""Nothing broken is sent: checks on a generated reply. What must stay private is another matter: `PrivacyFinding`."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Protocol

from userbot.domain.messages import Reply
from userbot.domain.placeholders import find_masked, find_placeholder
from userbot.domain.text import MAX_MESSAGE_CHARS
from userbot.reply.artefacts import find_artefact
from userbot.reply.policy import PolicyInput

MAX_BUBBLES = 8
LOOP_CHARACTERS = 40
"""A short piece repeated over this length is a loop; laughter and rows of brackets in chats stay below it."""

_CHARACTER_LOOP = re.compile(r"(.{1,16}?)\1{3,}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Draft:
    """What a check looks at: the reply, and what the owner's side said last in the chat."""

    reply: Reply
    last_own: str | None = None


@dataclass(frozen=True, slots=True)
class PrivacyFinding:
    """Why a reply must not leave: not a flaw that another try mends, so the burst ends with it.

    Args:
        kind: What was found, for the owner, the store and the log; a category, never a word of the reply.
    """

    kind: str


class PrivacyCheck(Protocol):
    """Looks for what must stay private. Its fake is `fakes_reply.FakePrivacyCheck` of the tests."""

    def is_ready(self) -> bool:
        """Tell whether replies can be judged yet; blocking, so it runs on the store's thread."""
        ...

    def inspect(self, reply: Reply, situation: PolicyInput) -> PrivacyFinding | None:
        """Return what must not leave, or None; blocking, so it runs on the store's thread.

        Args:
            reply: As the model wrote it.
            situation: The chat, its newest messages, and the burst that the reply answers.
        """
        ...


Check = Callable[[Draft], str | None]
"""Returns what is wrong, or None. Others than the ones here, such as a check for private data, are passed in."""


def inspect(draft: Draft, extra: Sequence[Check] = ()) -> str | None:
    """Return the first thing that is wrong with a reply, or None.

    Args:
        draft: The reply and its surroundings.
        extra: Further checks, after those on quality.
    """
    return next((problem for check in (*CHECKS, *extra) if (problem := check(draft))), None)


def _check_empty(draft: Draft) -> str | None:
    return None if any(bubble.strip() for bubble in draft.reply.bubbles) else "empty"


def _check_cut(draft: Draft) -> str | None:
    return "cut at the longest length" if draft.reply.finish != "stop" else None


def _check_length(draft: Draft) -> str | None:
    long = any(len(bubble) > MAX_MESSAGE_CHARS for bubble in draft.reply.bubbles)
    return "a bubble that is too long for Telegram" if long else None


def _check_artefacts(draft: Draft) -> str | None:
    return find_artefact("\n".join(draft.reply.bubbles))


def _check_placeholders(draft: Draft) -> str | None:
    # The model has read placeholders of media and of private values; it can't attach the first, nor know the others.
    if any(find_masked(bubble) for bubble in draft.reply.bubbles):
        return "a placeholder of private data instead of words"
    shown = any(find_placeholder(bubble) is not None for bubble in draft.reply.bubbles)
    return "a placeholder of media instead of words" if shown else None


def _check_repetition(draft: Draft) -> str | None:
    bubbles = [bubble.strip().casefold() for bubble in draft.reply.bubbles]
    text = "\n".join(bubbles)
    if len(bubbles) > MAX_BUBBLES:
        return f"more than {MAX_BUBBLES} bubbles"
    if any(len(list(same)) >= 3 for _, same in groupby(bubbles)) or _repeats_long(bubbles):
        return "the same bubble again and again"
    if any(len(match.group()) >= LOOP_CHARACTERS for match in _CHARACTER_LOOP.finditer(text)):
        return "characters in a loop"
    return "words in a loop" if _has_word_loop(text.split()) else None


def _check_parroting(draft: Draft) -> str | None:
    said = _squeeze("\n".join(draft.reply.bubbles))
    again = draft.last_own is not None and len(said) > 12 and said == _squeeze(draft.last_own)
    return "word for word the last reply" if again else None


CHECKS: tuple[Check, ...] = (
    _check_empty,
    _check_cut,
    _check_length,
    _check_artefacts,
    _check_placeholders,
    _check_repetition,
    _check_parroting,
)


def _repeats_long(bubbles: Sequence[str]) -> bool:
    long = [bubble for bubble in bubbles if len(bubble) > 15]
    return len(set(long)) < len(long)


def _has_word_loop(words: Sequence[str]) -> bool:
    """Tell whether a phrase of up to 16 words follows itself: 3 times, a pair of words 4 times, a single word 8."""
    for size in range(1, 17):
        times = {1: 8, 2: 4}.get(size, 3)
        run = 0
        for here, there in zip(words, words[size:], strict=False):
            run = run + 1 if here == there else 0
            if run >= size * (times - 1):
                return True
    return False


def _squeeze(text: str) -> str:
    return " ".join(text.casefold().split())
