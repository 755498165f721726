"""The dialogues of the demo: every form of a line is read, and everything else is refused."""

from __future__ import annotations

import pytest

from userbot.demo.export.source import TAGS, Bubble, load_dialogues, parse_dialogue
from userbot.domain.errors import ExportFormatError

HEAD = "@ personal_chat 5 Anna Berg\n= 2026-01-01 10:00\n"


def _parse(line: str) -> Bubble:
    [bubble] = parse_dialogue(HEAD + line).bubbles
    return bubble


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("> hey", (True, "hey", "", "", "")),
        ("< Hi!", (False, "Hi!", "", "", "")),
        ("> {sticker 😂}", (True, "", "sticker", "😂", "")),
        ("< {reply 2} yes", (False, "yes", "reply", "2", "")),
        ("> {photo} look", (True, "look", "photo", "", "")),
        (
            "! < phone_call duration_seconds=312 discard_reason=hangup",
            (False, "", "", "duration_seconds=312 discard_reason=hangup", "phone_call"),
        ),
    ],
)
def test_line_is_read_with_its_side_tag_and_value(line: str, expected: tuple[bool, str, str, str, str]) -> None:
    bubble = _parse(line)
    assert (bubble.from_owner, bubble.text, bubble.tag, bubble.value, bubble.action) == expected


def test_head_names_the_chat() -> None:
    dialogue = parse_dialogue(HEAD + "> hey")
    assert (dialogue.kind, dialogue.chat_id, dialogue.contact_name) == ("personal_chat", 5, "Anna Berg")


def test_same_text_gives_the_same_times() -> None:
    text = HEAD + "\n".join(["< Hi.", "> hi", "> how are you"])
    assert parse_dialogue(text) == parse_dialogue(text)


def test_dialogues_of_the_package_use_every_tag() -> None:
    dialogues = load_dialogues()
    assert len(dialogues) > 10
    assert {bubble.tag for dialogue in dialogues for bubble in dialogue.bubbles} == {"", *TAGS}


def test_pause_and_session_lines_move_the_clock() -> None:
    dialogue = parse_dialogue("@ personal_chat 5 A B\n= 2026-01-01 10:00\n< Hi.\n~ 40\n> hi\n= 2026-01-03 12:00\n> hey")
    first, second, third = (bubble.at for bubble in dialogue.bubbles)
    assert first.date().isoformat() == "2026-01-01"
    assert 40 * 60 <= (second - first).total_seconds() < 45 * 60
    assert third.isoformat(timespec="minutes").startswith("2026-01-03T12:0")


@pytest.mark.parametrize("line", ["hello", "> {hologram} hi", "! > two words"])
def test_unknown_line_is_refused(line: str) -> None:
    with pytest.raises(ExportFormatError):
        parse_dialogue(f"@ personal_chat 5 A B\n= 2026-01-01 10:00\n{line}")
