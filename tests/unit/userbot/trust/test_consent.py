"""Who may consent to what, and how a consent is taken back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes import FakeClock, bubble

from userbot.domain.consent import FORGOTTEN, Action
from userbot.domain.errors import ChatNotFoundError, ConfigError, ConsentError
from userbot.domain.messages import Chat, ChatKind, Message
from userbot.store import Store
from userbot.trust.consent import describe_consent, find_members, record, says_something, withdraw

CLUB = -1_000_000_000_007


def said(message_id: int, sender_id: int, name: str) -> Message:
    return replace(bubble(message_id, "hi", chat_id=CLUB), sender_id=sender_id, sender_name=name)


@pytest.fixture
def club(store: Store) -> Chat:
    chat = Chat(id=CLUB, kind=ChatKind.GROUP, title="Club")
    store.chats.save([chat])
    store.messages.add([said(1, 5, "Anna"), said(2, 6, "Boris"), said(3, 7, "Clara")])
    return chat


def test_consent_keeps_who_what_was_shown_and_the_name_for_prompts(store: Store, friend: Chat) -> None:
    row = record(store, friend.id, by=" Vera, by phone ", wording="May my clone learn from our chat?")
    assert (row.given_by, row.origin, row.members) == ("Vera, by phone", "owner", None)
    assert row.wording is not None and row.wording.startswith("May my clone learn from our chat?\nTelegram's API terms")
    chat = store.chats.get(friend.id)
    assert chat is not None and [one.name for one in chat.prompt_names] == ["Vera"]
    assert describe_consent(store, chat) == "Vera, by phone"


@pytest.mark.parametrize("blank", ["", "  ", "\u200b\u2060", "...", "—", "\u3164", "\u2800", "\ufe0f", "🙂"])
def test_words_that_say_nothing_are_no_reason(store: Store, friend: Chat, blank: str) -> None:
    assert not says_something(blank)
    with pytest.raises(ConfigError, match="which says nothing"):
        record(store, friend.id, by=blank)
    with pytest.raises(ConfigError, match=r"The wording is .* which says nothing"):
        record(store, friend.id, by="Vera", wording=blank)
    with pytest.raises(ConfigError, match=r"The reason is .* which says nothing"):
        withdraw(store, friend.id, reason=blank)
    assert store.consents.history() == []


@pytest.mark.parametrize("words", ["Vera", "мама", "5 May", "ヴェラ"])
def test_words_of_any_script_are_a_reason(words: str) -> None:
    assert says_something(words)


@pytest.mark.parametrize(
    ("kind", "why"),
    [
        (ChatKind.BOT, "a chat with a bot"),
        (ChatKind.CHANNEL, "a channel"),
        (ChatKind.SERVICE, "a service chat of Telegram's"),
        (ChatKind.SAVED, "your Saved Messages"),
    ],
)
def test_chats_without_people_refuse_consent_and_say_why(store: Store, kind: ChatKind, why: str) -> None:
    store.chats.save([Chat(id=500, kind=kind, title="Not a person")])
    with pytest.raises(ConsentError, match=f"'Not a person' is {why}.*never trained on"):
        record(store, 500, by="it")
    assert store.consents.history() == []


@pytest.mark.parametrize("kind", [ChatKind.PRIVATE, ChatKind.GROUP])
def test_chats_known_from_one_side_refuse_consent(store: Store, kind: ChatKind) -> None:
    store.chats.save([Chat(id=-500, kind=kind, title="Talk", own_only=True)])
    with pytest.raises(ConsentError, match="known from one side only"):
        record(store, -500, by="them")


def test_a_group_of_which_nobody_is_known_refuses_consent(store: Store) -> None:
    store.chats.save([Chat(id=CLUB, kind=ChatKind.GROUP, title="Club")])
    with pytest.raises(ConsentError, match="no other member's message is stored"):
        record(store, CLUB, by="them", members=[])


def test_a_chat_that_is_not_stored_refuses_consent(store: Store) -> None:
    with pytest.raises(ChatNotFoundError, match="No chat has the id 7"):
        record(store, 7, by="them")


@pytest.mark.parametrize("members", [None, [], [5], [5, 6]])
def test_a_group_refuses_consent_while_one_is_missing(store: Store, club: Chat, members: list[int] | None) -> None:
    with pytest.raises(ConsentError, match=r"missing: .*Clara \(7\)"):
        record(store, CLUB, by="them", members=members)
    assert not store.consents.consented(CLUB) and store.consents.history() == []


def test_somebody_new_in_a_group_is_asked_and_the_others_are_not_asked_again(store: Store, club: Chat) -> None:
    record(store, CLUB, by="all three", members=[5, 6, 7])
    store.messages.add([said(4, 8, "Dora")])
    assert describe_consent(store, club) == "to be asked again: 1 member did not agree"
    with pytest.raises(ConsentError, match=r"missing: Dora \(8\)"):
        record(store, CLUB, by="Anna again", members=[5])
    record(store, CLUB, by="Dora", members=[8])
    assert store.consents.consented(CLUB)


def test_somebody_who_is_no_member_agrees_to_nothing(store: Store, club: Chat, friend: Chat) -> None:
    with pytest.raises(ConfigError, match="99 is no member of 'Club'"):
        record(store, CLUB, by="them", members=[5, 6, 7, 99])
    with pytest.raises(ConfigError, match="'Vera' is no group"):
        record(store, friend.id, by="her", members=[101])


def test_one_member_takes_their_own_consent_back(store: Store, club: Chat) -> None:
    record(store, CLUB, by="all three", members=[5, 6, 7])
    row = withdraw(store, CLUB, member=6, reason="opted out", origin="contact")
    assert row is not None and (row.members, row.origin) == ((6,), "contact")
    assert store.consents.find_withdrawn({"train": {"chats": {str(CLUB): {}}}}) == [CLUB]
    assert withdraw(store, CLUB, member=6) is None
    assert describe_consent(store, club) == "withdrawn by 1 member"
    with pytest.raises(ConsentError, match=r"missing: Boris \(6\)"):
        record(store, CLUB, by="Anna", members=[5])


def test_a_member_whose_group_was_carried_over_without_members_ends_it_for_all(store: Store, club: Chat) -> None:
    store.consents.append(CLUB, Action.GIVEN, given_by="all", origin="carried over")
    row = withdraw(store, CLUB, member=6)
    assert row is not None and row.members is None and store.consents.state(CLUB).lapsed


def test_where_there_is_no_consent_there_is_nothing_to_take_back(store: Store, friend: Chat) -> None:
    assert withdraw(store, friend.id) is None
    record(store, friend.id, by="Vera")
    assert withdraw(store, friend.id) is not None
    assert withdraw(store, friend.id) is None
    assert [one.action for one in store.consents.history()] == [Action.GIVEN, Action.WITHDRAWN]
    assert describe_consent(store, friend) == "withdrawn"


def test_forgetting_is_recorded_in_any_case_and_leaves_no_name(store: Store, friend: Chat, clock: FakeClock) -> None:
    record(store, friend.id, by="Vera", since=clock())
    assert withdraw(store, friend.id, reason=FORGOTTEN) is not None
    assert withdraw(store, 999, reason=FORGOTTEN) is not None
    assert all(one.given_by is None and one.wording is None for one in store.consents.history())


def test_members_are_found_by_id_and_by_name(store: Store, club: Chat) -> None:
    assert find_members(store, club, ["5", "boris"]) == [5, 6]
    with pytest.raises(ConfigError, match=r"No member of 'Club' fits 'Zoe'. Known: Anna \(5\)"):
        find_members(store, club, ["Zoe"])
    with pytest.raises(ConfigError, match="No member of 'Club' fits '99'"):
        find_members(store, club, ["99"])
