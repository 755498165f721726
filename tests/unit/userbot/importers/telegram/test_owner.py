"""Which sender of a Telegram export is the owner."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.exports.loading import load_telegram
from fixtures.exports.shapes import (
    CONTACT,
    CONTACT_ID,
    OWNER,
    OWNER_ID,
    account,
    chat,
    conversation,
    row,
)

from userbot.domain.errors import OwnerUnknownError
from userbot.domain.messages import Origin
from userbot.store import Store, facts


def test_single_chat_tells_the_owner_by_the_contacts_id(store: Store, tmp_path: Path) -> None:
    rows = [row(1) | {"from": None}, row(2, mine=True)]
    summary = load_telegram(store, tmp_path, chat(rows, name=None))
    assert summary.chats[0].counts == {Origin.CONTACT: 1, Origin.OWNER: 1}
    assert summary.chats[0].chat.title == "Deleted account"


def test_saved_messages_tell_the_owner_where_the_account_is_left_out(store: Store, tmp_path: Path) -> None:
    saved = chat([row(9, mine=True)], kind="saved_messages", chat_id=OWNER_ID)
    export = account(chat(conversation()), saved, with_owner=False)
    assert load_telegram(store, tmp_path, export).totals[Origin.OWNER] == 3


def test_writer_in_most_private_chats_is_the_owner(store: Store, tmp_path: Path) -> None:
    chats = [chat(conversation(), chat_id=CONTACT_ID), chat([row(9, mine=True)], chat_id=77)]
    load_telegram(store, tmp_path, account(*chats, with_owner=False))
    assert store.facts.get(facts.OWNER_ID) == OWNER_ID


def test_unknown_owner_of_a_group_is_asked_for_with_the_candidates(store: Store, tmp_path: Path) -> None:
    export = chat([*conversation(), row(5)], kind="private_supergroup", chat_id=5)
    with pytest.raises(OwnerUnknownError) as caught:
        load_telegram(store, tmp_path, export)
    assert str(caught.value) == (
        f"{tmp_path / 'result.json'}: nothing in this export says which sender is you. "
        f"Name yourself with --me NAME; the senders are {CONTACT} (3), {OWNER} (2)."
    )
    assert store.chats.all() == []


@pytest.mark.parametrize("me", [OWNER, "olga test", f"user{OWNER_ID}", str(OWNER_ID)])
def test_group_takes_the_owner_from_me(store: Store, tmp_path: Path, me: str) -> None:
    export = chat(conversation(), kind="private_supergroup", chat_id=5)
    assert load_telegram(store, tmp_path, export, me=me).totals[Origin.OWNER] == 2


def test_group_takes_the_owner_that_the_store_knows(store: Store, tmp_path: Path) -> None:
    export = chat(conversation(), kind="private_group", chat_id=5)
    summary = load_telegram(store, tmp_path, export, owner_id=OWNER_ID)
    assert summary.totals[Origin.OWNER] == 2
    assert {m.sender_name for m in store.messages.history(-5)} == {OWNER, CONTACT}


def test_unknown_me_is_refused_with_the_candidates(store: Store, tmp_path: Path) -> None:
    with pytest.raises(OwnerUnknownError) as caught:
        load_telegram(store, tmp_path, chat(conversation()), me="Zed")
    assert str(caught.value) == (
        f"{tmp_path / 'result.json'}: no sender is 'Zed'. Give --me one of {CONTACT} (2), {OWNER} (2)."
    )


def test_two_senders_of_one_name_are_told_apart_by_id(store: Store, tmp_path: Path) -> None:
    export = chat([row(1) | {"from": OWNER}, row(2, mine=True)], kind="private_group", chat_id=5)
    with pytest.raises(OwnerUnknownError, match=r"2 senders .* Give an id with --me: user1001 \(1\), user2002 \(1\)"):
        load_telegram(store, tmp_path, export, me=OWNER)


def test_group_after_an_account_needs_no_name(store: Store, tmp_path: Path) -> None:
    load_telegram(store, tmp_path, account(chat(conversation())))
    assert (
        load_telegram(store, tmp_path, chat(conversation(), kind="private_group", chat_id=5)).totals[Origin.OWNER] == 2
    )
