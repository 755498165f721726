"""Tests of derived ids."""

from __future__ import annotations

from userbot.domain.derived_ids import derive_chat_id, digest
from userbot.domain.telegram_ids import FIRST_DERIVED_ID


def test_the_same_chat_has_the_same_id_for_ever() -> None:
    assert derive_chat_id("whatsapp", "Anna") == 3362244972231504754, "stored chats have this id"


def test_ids_stay_apart_from_those_of_telegram_and_within_sqlites_integers() -> None:
    for title in ("Anna", "Вера", "\ud800"):
        assert FIRST_DERIVED_ID <= derive_chat_id("whatsapp", title) < 2**63


def test_a_digest_has_so_many_bits() -> None:
    assert all(digest(str(number), 10) < 2**10 for number in range(200))
