"""Ids derived from names, and the owner chosen among names."""

from __future__ import annotations

import pytest

from userbot.domain.derived_ids import derive_chat_id
from userbot.domain.errors import OwnerUnknownError
from userbot.importers.reading.items import Hints
from userbot.importers.reading.names import MessageIds, choose_by_name, list_candidates


def test_chat_ids_are_stable_apart_by_messenger_and_beyond_telegrams() -> None:
    ids = {derive_chat_id(source, key) for source in ("whatsapp", "discord") for key in ("Anna", "Boris")}
    assert len(ids) == 4
    assert all(2**61 <= number < 2**62 for number in ids)
    assert derive_chat_id("whatsapp", "Anna") == 3362244972231504754, "stored chats have this id"


def test_equal_messages_of_one_time_get_the_same_ids_in_every_export() -> None:
    first, second = MessageIds(), MessageIds()
    said = [("10:00", "Anna", "yes"), ("10:00", "Anna", "yes"), ("10:01", "Anna", "yes")]
    ids = [first.derive(*one) for one in said]
    assert len(set(ids)) == 3
    assert all(0 <= number < 2**62 for number in ids)
    assert [second.derive(*one) for one in said] == ids


def test_only_the_latest_messages_are_remembered() -> None:
    ids = MessageIds(memory=2)
    first = ids.derive("1", "A", "x")
    for time in ("2", "3"):
        ids.derive(time, "A", "x")
    assert ids.derive("1", "A", "x") == first


SENDERS = {"Anna": 3, "Olga": 2}
UNKNOWN = (
    "x: nothing in this export says which sender is you. "
    "Name yourself with --me NAME; the senders are Anna (3), Olga (2)."
)


@pytest.mark.parametrize(
    ("hints", "contact", "usual", "owner"),
    [
        (Hints(me=" olga "), "Olga", "Anna", "Olga"),
        (Hints(), None, "Anna", "Anna"),
        (Hints(owner_name="Anna"), "Anna", None, "Olga"),
        (Hints(owner_name="Anna"), None, None, "Anna"),
    ],
)
def test_what_the_user_said_decides_then_the_export_then_what_is_known(
    hints: Hints, contact: str | None, usual: str | None, owner: str
) -> None:
    assert choose_by_name(SENDERS, hints, where="x", contact=contact, usual=usual) == owner


@pytest.mark.parametrize(
    ("hints", "text"),
    [
        (Hints(me="Zed"), "x: no sender is 'Zed'. Give --me one of Anna (3), Olga (2)."),
        (Hints(owner_name="Zed"), UNKNOWN),
    ],
)
def test_unknown_owner_is_refused_with_the_candidates(hints: Hints, text: str) -> None:
    with pytest.raises(OwnerUnknownError) as caught:
        choose_by_name(SENDERS, hints, where="x")
    assert str(caught.value) == text


def test_candidates_are_few_and_numbers_are_masked() -> None:
    assert list_candidates({}) == "nobody"
    assert list_candidates({"A": 1, "+49 170 1234567": 5}) == "+49…67 (5), A (1)"
    assert list_candidates({f"N{number}": number for number in range(10)}).endswith("N2 (2) and 2 more")
