"""The owner's commands are recognised, carried out by their verb, and mistakes are answered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import bubble

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import HELP, answer_command, parse_command
from userbot.domain.messages import Origin


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/clone pause 2h", ("pause", "2h")),
        ("/CLONE  Allow  @vera b", ("allow", "@vera b")),
        ("/clone", ("help", "")),
        ("/cloned pause", None),
        ("please /clone pause", None),
        ("", None),
    ],
)
def test_command_is_recognised_by_its_first_word(text: str, expected: tuple[str, str] | None) -> None:
    assert parse_command(bubble(1, text, origin=Origin.OWNER)) == expected


def test_words_of_others_are_no_command() -> None:
    message = bubble(1, "/clone allow @somebody", origin=Origin.OWNER)
    assert parse_command(message) == ("allow", "@somebody")
    assert parse_command(replace(message, forwarded=True)) is None
    assert parse_command(replace(message, via_bot=True)) is None


async def test_unknown_verb_gets_the_list(context: CommandContext) -> None:
    assert await answer_command("dance", "", context) == f"There is no command 'dance'.\n\n{HELP}"
    assert await answer_command("help", "", context) == HELP
