"""A conversation as sides that alternate: the part that training and serving share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from userbot.domain.dialogue import Side, end_with_contact, open_with_contact, write_chat, write_sides
from userbot.domain.messages import Turn
from userbot.domain.text import OPENING

THEIRS, MINE = False, True
_turns = st.lists(
    st.builds(Turn, st.booleans(), st.lists(st.sampled_from(["a", " b ", "c\nd", ""]), min_size=1).map(tuple))
)


def _as_it_is(text: str) -> str:
    return text


def test_neighbours_of_one_side_become_one() -> None:
    turns = [Turn(THEIRS, ("a",)), Turn(THEIRS, (" b", "c")), Turn(MINE, ("d",)), Turn(MINE, ("e\nf",))]
    assert write_sides(turns, escape=_as_it_is) == [Side(THEIRS, "a\nb\nc"), Side(MINE, "d\ne\u2028f")]


def test_side_is_supervised_where_all_of_its_turns_are() -> None:
    turns = [Turn(MINE, ("a",)), Turn(MINE, ("b",)), Turn(THEIRS, ("c",)), Turn(MINE, ("d",)), Turn(MINE, ("e",))]
    sides = write_sides(turns, escape=_as_it_is, supervised=(True, True, False, True, False))
    assert [side.supervised for side in sides] == [True, False, False]


def test_bubbles_and_system_line_are_escaped_each() -> None:
    sides = write_chat([Turn(THEIRS, ("a", "b"))], system="s ", escape=lambda text: f"<{text}>")
    assert sides == [Side(THEIRS, "<s>\n\n<a>\n<b>")]


def test_system_line_stands_in_the_contacts_first_turn() -> None:
    contact_first, owner_first = [Side(THEIRS, "hi"), Side(MINE, "hey")], [Side(MINE, "hey")]
    assert open_with_contact(contact_first, system="Chat with Vera.") == [
        Side(THEIRS, "Chat with Vera.\n\nhi"),
        Side(MINE, "hey"),
    ]
    assert open_with_contact(owner_first, system="Chat with Vera.") == [
        Side(THEIRS, "Chat with Vera."),
        Side(MINE, "hey"),
    ]


def test_owner_who_begins_answers_an_invented_opening() -> None:
    assert open_with_contact([Side(MINE, "hey")]) == [Side(THEIRS, OPENING), Side(MINE, "hey")]
    assert open_with_contact([]) == [Side(THEIRS, OPENING)]
    assert open_with_contact([Side(THEIRS, "")]) == [Side(THEIRS, OPENING)]


def test_after_an_owner_turn_the_contact_is_invented() -> None:
    turns = [Turn(THEIRS, ("hi",)), Turn(MINE, ("hey",))]
    assert end_with_contact(turns) == [*turns, Turn(THEIRS, (OPENING,))]
    assert end_with_contact(turns[:1]) == turns[:1]
    assert end_with_contact([]) == []


@given(turns=_turns, system=st.none() | st.just("Chat with Vera."))
def test_chat_alternates_and_begins_and_ends_with_the_contact(turns: list[Turn], system: str | None) -> None:
    sides = write_chat(turns, system=system, escape=_as_it_is)
    assert [side.mine for side in sides] == [bool(number % 2) for number in range(len(sides))]
    assert not sides[-1].mine
    assert sides[0].text
