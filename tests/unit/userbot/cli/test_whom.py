"""Names on the command line: found before anything changes, shown, and confirmed unless they are ids."""

from __future__ import annotations

import pytest
from command_line import Clone

from userbot.domain.errors import ChatNotFoundError, ConfigError
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.store import Store


def _allowed(store: Store) -> list[int]:
    return [chat.id for chat in store.chats.allowed()]


def test_name_is_asked_about_and_an_id_is_not(clone: Clone, store: Store, friend: Chat) -> None:
    clone("chats", "allow", "Vera", answers="y\n")
    assert "Answer automatically: Vera (id 101, @vera)" in clone.err
    assert _allowed(store) == [101]
    assert clone("chats", "draft", "101") == "Vera (id 101, @vera) gets drafts from now on; you send them.\n"
    assert clone.err == ""


@pytest.mark.parametrize(
    ("answers", "text"), [("n\n", "Nothing was done"), (None, r"Give the id .*\(101\), or say --yes")]
)
def test_without_a_yes_nothing_is_done(
    clone: Clone, store: Store, friend: Chat, answers: str | None, text: str
) -> None:
    for arguments in (("allow", "Vera"), ("draft", "@vera"), ("consent", "vera", "--by", "Vera")):
        with pytest.raises(ConfigError, match=text):
            clone("chats", *arguments, answers=answers)
    chat = store.chats.get(101)
    assert chat is not None and (chat.mode, chat.consent_at) == (Mode.OFF, None)


def test_yes_can_be_said_beforehand(clone: Clone, store: Store, friend: Chat) -> None:
    clone("chats", "allow", "@vera", "--yes")
    assert _allowed(store) == [101] and clone.err == ""


@pytest.mark.parametrize("verb", ["allow", "draft", "deny", "withdraw", "who", "rename"])
def test_ambiguous_name_lists_all_and_does_nothing(clone: Clone, store: Store, friend: Chat, verb: str) -> None:
    store.chats.save(
        [Chat(id=5, kind=ChatKind.PRIVATE, title="Bera"), Chat(id=6, kind=ChatKind.PRIVATE, title="VERA ❤️")]
    )
    with pytest.raises(
        ChatNotFoundError, match=r"2 chats fit 'Vera': .*id 101.*id 6.*Give the id of the right one"
    ) as caught:
        clone("chats", verb, "Vera")
    assert "id 5" not in str(caught.value)


def test_negative_id_of_a_group_is_taken(clone: Clone, store: Store) -> None:
    store.chats.save([Chat(id=-1_000_000_000_007, kind=ChatKind.GROUP, title="Club")])
    for verb, allowed in (("allow", True), ("deny", False), ("draft", True)):
        clone("chats", verb, "-1000000000007")
        assert _allowed(store) == ([-1_000_000_000_007] if allowed else [])
    assert "Club (id -1000000000007, group)" in clone("chats", "about", "-1000000000007", "my club")
    assert "is paused until" in clone("pause", "2h", "-1000000000007")
    assert "is answered again" in clone("resume", "-1000000000007")
    assert clone("why", "-1000000000007") == "There is no answer yet.\n"
    with pytest.raises(ChatNotFoundError, match="No chat fits '--yess'"):
        clone("chats", "allow", "-1000000000007", "--yess")


def test_who_shows_whom_a_name_means(clone: Clone, store: Store, friend: Chat) -> None:
    assert clone("chats", "who", "vera") == "Vera (id 101, @vera) is off.\n"


def test_renamed_chat_is_called_so_after_an_order(clone: Clone, store: Store, friend: Chat) -> None:
    clone("chats", "allow", "101")
    store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Mama")])
    assert "Mama @vera (in prompts: Vera)" in clone("chats", "list")
    assert "say 'Mama' from the next training on" in clone("chats", "rename", "101")
    assert "in prompts" not in clone("chats", "list")
