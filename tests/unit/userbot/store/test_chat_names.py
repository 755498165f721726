"""A name finds a chat by id, username or whole title, and by a part of the title only where that is asked for."""

from __future__ import annotations

import pytest

from userbot.domain.messages import Chat, ChatKind
from userbot.store.chat_names import match_name, match_part

VERA = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera", username="Verochka")
NAMESAKE = Chat(id=102, kind=ChatKind.PRIVATE, title="vera")
CLUB = Chat(id=-1_000_000_000_007, kind=ChatKind.GROUP, title="Verochka")
NUMBER = Chat(id=7, kind=ChatKind.PRIVATE, title="101")
CHATS = (VERA, NAMESAKE, CLUB, NUMBER)


@pytest.mark.parametrize(
    ("name", "matches"),
    [
        ("101", [VERA]),
        ("-1000000000007", [CLUB]),
        ("@verochka", [VERA]),
        (" VEROCHKA ", [VERA]),
        ("Vera", [VERA, NAMESAKE]),
        ("@vera", []),
        ("ver", []),
        ("", []),
        (" @ ", []),
    ],
)
def test_name_in_full_matches_id_or_username_before_title(name: str, matches: list[Chat]) -> None:
    assert match_name(iter(CHATS), name) == matches


@pytest.mark.parametrize(("name", "matches"), [("er", [VERA, NAMESAKE, CLUB]), ("CHK", [CLUB]), ("", []), (" ", [])])
def test_part_matches_titles_only(name: str, matches: list[Chat]) -> None:
    assert match_part(CHATS, name) == matches
