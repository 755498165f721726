"""A conversation as every renderer writes it: sides that alternate, the contact's first, the system line inside it.

Training's renderer and the messages for a model server both begin here, so that the model is asked in the form in which
it was trained. The system line stands in the contact's first turn and not in a turn of its own, because some chat
templates misplace that: Mistral-7B-Instruct-v0.3's puts it into the last user turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from userbot.domain.messages import Turn
from userbot.domain.text import OPENING, join_bubbles

Escape = Callable[[str], str]
"""Breaks what the model could take for a mark of its own; see `userbot.domain.marks`."""


@dataclass(frozen=True, slots=True)
class Side:
    """Everything that one side wrote before the other one did.

    Args:
        mine: True for the owner's side, False for the contact's.
        text: The bubbles as lines, as the model sees them.
        supervised: Whether training computes a loss on it; only the owner's side may be.
    """

    mine: bool
    text: str
    supervised: bool = False


def write_sides(turns: Sequence[Turn], *, escape: Escape, supervised: Sequence[bool] = ()) -> list[Side]:
    """Write turns as sides that alternate; neighbouring turns of one side become one.

    Args:
        turns: Oldest first.
        escape: Applied to each bubble.
        supervised: As long as `turns`, or empty for none. A side is supervised where all of its turns are.

    Returns:
        The sides, oldest first.
    """
    runs: list[tuple[bool, list[str], bool]] = []
    for number, turn in enumerate(turns):
        flag = bool(supervised) and supervised[number]
        # Instructions have empty lines of their own; a bubble of invisible characters leaves none.
        bubbles = [text for bubble in turn.bubbles if (text := escape(bubble)).strip() or not bubble.strip()]
        if runs and runs[-1][0] == turn.mine:
            mine, before, before_flag = runs[-1]
            runs[-1] = (mine, before + bubbles, before_flag and flag)
        else:
            runs.append((turn.mine, bubbles, flag))
    return [Side(mine, join_bubbles(bubbles), flag) for mine, bubbles, flag in runs]


def open_with_contact(sides: Sequence[Side], *, system: str = "") -> list[Side]:
    """Make the contact's side come first, with the system line in it.

    Args:
        sides: Alternating. Where the owner begins, or nobody does, a contact side is invented.
        system: A line on who the contact is, already escaped; "" for none.

    Returns:
        The sides, of which the first is the contact's and not empty.
    """
    if not sides or sides[0].mine:
        sides = [Side(mine=False, text=""), *sides]
    first, *rest = sides
    text = "\n\n".join(part for part in (system, first.text) if part) or OPENING
    return [replace(first, text=text), *rest]


def end_with_contact(turns: Sequence[Turn]) -> Sequence[Turn]:
    """Return turns after which the owner's next one can begin: after an owner turn, a contact turn is invented."""
    return [*turns, Turn(False, (OPENING,))] if turns and turns[-1].mine else turns


def write_chat(turns: Sequence[Turn], *, system: str | None, escape: Escape) -> list[Side]:
    """Write a conversation for a chat template, up to the place where the owner's next turn begins.

    Args:
        turns: Oldest first.
        system: A line on who the contact is; None for none.
        escape: Applied to the system line and to each bubble.

    Returns:
        Alternating sides; the first and the last are the contact's.
    """
    sides = write_sides(end_with_contact(turns), escape=escape)
    return open_with_contact(sides, system=escape(system.strip()) if system else "")
