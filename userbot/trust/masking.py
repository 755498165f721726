"""Masking: private values replaced by typed placeholders, the same before training and before each prompt.

What a message is masked to depends on it and on the two messages before it, of either side, and on nothing after it:
a prompt is the beginning of a sample, so its messages must look as they did there.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain

from userbot.domain.messages import Turn
from userbot.domain.placeholders import Masked, write_masked
from userbot.domain.prompt_rules import Masking
from userbot.trust.detectors import Finding, detect_in_thread, is_worth_a_look, names_a_value
from userbot.trust.detectors.custom import find_custom
from userbot.trust.detectors.finding import keep_apart

CONTEXT_BUBBLES = 2
"""Messages before one that may say what it holds."""

MOSTLY = 0.5
"""Share of a turn's characters, spaces aside, from which on it is mostly private."""


@dataclass(frozen=True, slots=True)
class MaskedTurns:
    """Turns with placeholders.

    Args:
        turns: As many as there were.
        mostly: For each turn, whether most of it was private.
        counts: What was masked, by kind.
    """

    turns: tuple[Turn, ...]
    mostly: tuple[bool, ...]
    counts: Counter[str]


def mask_turns(turns: Sequence[Turn], masking: Masking) -> MaskedTurns:
    """Mask a conversation.

    Args:
        turns: Oldest first.
        masking: What is masked beside what always is.

    Raises:
        ConfigError: A pattern of the owner can't be used; the text names it.
        MissingExtraError: Names are wanted, and the extra `names` is not installed.
    """
    findings = find_in_bubbles(chain.from_iterable(turn.bubbles for turn in turns), masking)
    masked: list[Turn] = []
    mostly: list[bool] = []
    counts: Counter[str] = Counter()
    for turn in turns:
        found = [next(findings) for _ in turn.bubbles]
        private = sum(one.end - one.start for in_bubble in found for one in in_bubble)
        if not private:
            masked.append(turn)
            mostly.append(False)
            continue
        counts.update(str(one.kind) for in_bubble in found for one in in_bubble)
        bubbles = tuple(map(write_over, turn.bubbles, found))
        masked.append(replace(turn, bubbles=bubbles))
        mostly.append(private >= MOSTLY * sum(len("".join(bubble.split())) for bubble in turn.bubbles))
    return MaskedTurns(tuple(masked), tuple(mostly), counts)


def find_in_bubbles(bubbles: Iterable[str], masking: Masking) -> Iterator[tuple[Finding, ...]]:
    """Yield what each message holds, given the messages before it.

    Args:
        bubbles: Messages, oldest first, of either side.
        masking: What is masked beside what always is.
    """
    before: deque[tuple[str, bool]] = deque(maxlen=CONTEXT_BUBBLES)
    for bubble in bubbles:
        found: tuple[Finding, ...] = ()
        # Without a digit or a telling word of its own, a message can only be the password that one before it names.
        if is_worth_a_look(bubble) or any(tells for _, tells in before):
            found = detect_in_thread([*(text for text, _ in before), bubble], masking.patterns)[-1]
        elif masking.patterns:
            found = keep_apart(find_custom(bubble, masking.patterns))
        if masking.names:
            from userbot.trust.names import find_names

            found = keep_apart((*found, *find_names(bubble)))
        before.append((bubble, names_a_value(bubble)))
        yield found


def write_over(text: str, findings: Sequence[Finding]) -> str:
    """Return a text with placeholders where private values stood.

    Args:
        text: The text.
        findings: By position, not overlapping.
    """
    parts: list[str] = []
    position = 0
    for one in findings:
        parts += (text[position : one.start], write_masked(Masked(one.kind)))
        position = one.end
    return "".join((*parts, text[position:]))
