"""The hand-written dialogues: one text file per chat, in lines that a person can type.

The first line names the chat: `@ personal_chat 999000000011 Антон Белов`. Then:

    = 2025-10-04 19:20      a session begins (local time)
    ~ 40                    nobody writes for 40 minutes
    < Привет!               the contact writes
    > привет)))             the owner writes
    > {sticker 😂}          a tag in braces, then the text; tags: see `TAGS`
    ! < phone_call duration_seconds=312 discard_reason=hangup     a service row, by contact or owner
"""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from importlib.resources import files

from userbot.domain.errors import ExportFormatError

TAGS = frozenset({"sticker", "voice", "photo", "reply", "edited", "forwarded"})
_BUBBLE = re.compile(r"(?P<side>[<>]) (?:\{(?P<tag>\w+) ?(?P<value>[^}]*)\} ?)?(?P<text>.*)")
_SERVICE = re.compile(r"! (?P<side>[<>]) (?P<action>\w+)(?P<details>(?: \w+=\w+)*)")
_TYPING_CHARS_PER_S = 6.0
_UNSET = datetime(1970, 1, 1)  # noqa: DTZ001 - local time of the exporting computer, as in the format


@dataclass(frozen=True, slots=True)
class Bubble:
    """One row of a chat.

    Args:
        from_owner: The owner wrote it, or did it.
        at: Local time of the exporting computer.
        text: What was written.
        tag: One of `TAGS`; empty for plain text.
        value: What the tag or the action says.
        action: Of a service row; empty for a message.
    """

    from_owner: bool
    at: datetime
    text: str
    tag: str = ""
    value: str = ""
    action: str = ""


@dataclass(frozen=True, slots=True)
class Dialogue:
    """One chat.

    Args:
        kind: As Telegram Desktop names it, such as `personal_chat`.
        chat_id: Telegram's id.
        contact_name: Full name of the other side.
        bubbles: In the order of writing; their times never decrease.
    """

    kind: str
    chat_id: int
    contact_name: str
    bubbles: tuple[Bubble, ...]


def load_dialogues() -> list[Dialogue]:
    """Read every dialogue file of the package, in the order of the file names."""
    folder = files(__package__).joinpath("dialogues")
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".txt"))
    return [parse_dialogue(folder.joinpath(name).read_text(encoding="utf-8")) for name in names]


def parse_dialogue(source: str) -> Dialogue:
    """Turn the text of one file into a dialogue.

    The pauses between bubbles come from a random generator seeded with the chat id, so the same text always gives the
    same times.

    Args:
        source: The file's text; its forms are in the docstring of this module.

    Raises:
        ExportFormatError: A line has none of these forms; the text shows how it begins.
    """
    head, *rows = [line for line in source.splitlines() if line.strip()]
    _, kind, chat_id, *name = head.split(" ")
    rng = random.Random(int(chat_id))  # noqa: S311 - pauses of a story, not secrets
    return Dialogue(kind, int(chat_id), " ".join(name), tuple(_time_bubbles(rows, rng)))


def _time_bubbles(rows: list[str], rng: random.Random) -> Iterator[Bubble]:
    at, last_side = _UNSET, None
    for row in rows:
        if row.startswith("= "):
            at, last_side = datetime.fromisoformat(row[2:].strip()) + timedelta(seconds=rng.randint(0, 50)), None
        elif row.startswith("~ "):
            at += timedelta(minutes=int(row[2:]))
        else:
            bubble = _read_bubble(row)
            at += timedelta(seconds=_draw_pause_s(bubble, bubble.from_owner == last_side, rng))
            last_side = bubble.from_owner
            yield replace(bubble, at=at)


def _read_bubble(row: str) -> Bubble:
    if service := _SERVICE.fullmatch(row):
        return Bubble(service["side"] == ">", _UNSET, "", value=service["details"].strip(), action=service["action"])
    bubble = _BUBBLE.fullmatch(row)
    if bubble is None or (bubble["tag"] and bubble["tag"] not in TAGS):
        raise ExportFormatError(
            f"a dialogue line begins with {row[:3]!r}; the forms are in the docstring of {__name__}"
        )
    return Bubble(bubble["side"] == ">", _UNSET, bubble["text"], bubble["tag"] or "", bubble["value"] or "")


def _draw_pause_s(bubble: Bubble, same_side: bool, rng: random.Random) -> int:
    typing_s = len(bubble.text) / _TYPING_CHARS_PER_S
    return round(typing_s + (rng.uniform(1, 5) if same_side else rng.uniform(6, 70)))
