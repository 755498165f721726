"""A contact's wish for no bot, and what follows from it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import bubble

from userbot.domain.exclusions import Exclusion
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.store import Store
from userbot.store.facts import EXCLUSIONS
from userbot.trust.opt_out import OptOuts, list_left_out, take_in

ASKED = "не отвечай мне ботом"
GROUP = Chat(id=-300, kind=ChatKind.GROUP, title="Hike")


@pytest.fixture
def opt_outs(store: Store) -> OptOuts:
    return OptOuts(store, confirmation="Done.")


def _stored(store: Store, message: Message) -> Message:
    store.messages.add([message])
    return message


def test_answers_are_off_and_consent_is_gone_and_one_sentence_confirms_it(
    store: Store, friend: Chat, opt_outs: OptOuts
) -> None:
    store.chats.set_mode(101, Mode.AUTO)
    store.consents.give(101, by="Vera")
    message = _stored(store, bubble(1, ASKED))
    taken = opt_outs.take(message, random_id=7)
    assert taken is not None
    assert taken.confirmed
    assert "101" in taken.notice
    assert ASKED not in taken.notice
    chat = store.chats.get(101)
    assert chat is not None
    assert (chat.mode, chat.consent_at) == (Mode.OFF, None)
    assert [item.text for item in store.replies.pending(101)] == ["Done."]
    assert opt_outs.take(message, random_id=8) is None


def test_in_draft_mode_nothing_is_written_to_the_contact(store: Store, friend: Chat, opt_outs: OptOuts) -> None:
    store.chats.set_mode(101, Mode.DRAFT)
    taken = opt_outs.take(_stored(store, bubble(1, ASKED)), random_id=7)
    assert taken is not None
    assert not taken.confirmed
    assert store.replies.pending() == []


@pytest.mark.parametrize("change", [{"forwarded": True}, {"via_bot": True}, {"origin": Origin.OWNER}, {"text": "hi"}])
def test_words_that_are_not_the_contacts_own_turn_nothing_off(
    store: Store, friend: Chat, opt_outs: OptOuts, change: dict[str, object]
) -> None:
    store.chats.set_mode(101, Mode.AUTO)
    message = replace(bubble(1, ASKED), **change)  # type: ignore[arg-type]  # a test's shorthand
    assert opt_outs.take(message, random_id=7) is None
    assert [chat.id for chat in store.chats.allowed()] == [101]


def test_member_of_a_group_speaks_for_themselves_until_the_owner_takes_them_in(store: Store, opt_outs: OptOuts) -> None:
    store.chats.save([GROUP])
    store.chats.set_mode(-300, Mode.AUTO)
    message = _stored(store, replace(bubble(1, ASKED, chat_id=-300), sender_id=5))
    assert opt_outs.take(message, random_id=7) is not None
    assert opt_outs.take(replace(message, id=2), random_id=8) is None
    assert [chat.id for chat in store.chats.allowed()] == [-300]
    assert list_left_out(store, -300) == (5,)
    assert store.facts.get(EXCLUSIONS) == (Exclusion(chat_id=-300, person="5"),)
    assert take_in(store, -300, 5)
    assert not take_in(store, -300, 5)
    assert (list_left_out(store, -300), store.facts.get(EXCLUSIONS)) == ((), None)
