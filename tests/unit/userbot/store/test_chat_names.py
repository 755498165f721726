"""A name means a chat only where nobody else could be meant; else all who could be are listed with their ids."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from userbot.domain.errors import ChatNotFoundError
from userbot.domain.messages import Chat, ChatKind, PromptName
from userbot.store.chat_names import SHOWN, describe_chat, find_chat, taken_usernames

MAMA = Chat(id=101, kind=ChatKind.PRIVATE, title="Мама ❤️")
VERA = Chat(id=102, kind=ChatKind.PRIVATE, title="Vera", username="Verochka")


def _chat(chat_id: int, title: str, username: str | None = None, **values: object) -> Chat:
    return Chat(id=chat_id, kind=ChatKind.PRIVATE, title=title, username=username, **values)  # type: ignore[arg-type]  # a test's shorthand


def _listed(name: str, known: list[Chat], dialogs: list[Chat] | None = None) -> str:
    with pytest.raises(ChatNotFoundError) as caught:
        find_chat(name, known, dialogs=dialogs or [])
    return str(caught.value)


@pytest.mark.parametrize("name", ["102", " 102 ", "@verochka", "VEROCHKA", " vera ", "Ve\u200bra", "VERA"])
def test_one_chat_is_meant_by_its_id_username_or_whole_title(name: str) -> None:
    assert find_chat(name, [MAMA, VERA]) is VERA


@pytest.mark.parametrize(
    "title",
    ["Мама", "мама", "Mама", "Mama", "МАМА 🌷", "Ма ма", "Ма\u200bма", "Ма\u2060ма", "Ма\u0301ма", "М а м а", "Мама."],
)
def test_stranger_whose_name_looks_like_a_stored_one_is_never_taken_for_it(title: str) -> None:
    for typed in ("Мама", title):
        text = _listed(typed, [MAMA], [_chat(999, title)])
        assert "id 101" in text and "id 999" in text and "Give the id" in text


def test_stored_chat_that_only_comes_near_is_not_passed_over_for_a_stranger() -> None:
    for stored in ("Мама (мобильный)", "Моя Мама", "Мама и папа"):
        text = _listed("Мама", [_chat(101, stored)], [_chat(999, "Мама")])
        assert "id 101" in text and "id 999" in text


def test_title_that_is_whole_in_the_store_is_meant_though_another_begins_with_it() -> None:
    assert find_chat("Vera", [_chat(1, "Vera"), _chat(2, "Vera Work")], dialogs=[_chat(3, "Verandah")]).id == 1


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("Vera", _chat(999, "Vera")),
        ("Verochka", _chat(999, "Verochka")),
        ("Vera", _chat(999, "Somebody", "vera")),
        ("Vera", Chat(id=-500, kind=ChatKind.GROUP, title="Vera")),
        ("Vera", Chat(id=2**61 + 5, kind=ChatKind.PRIVATE, title="Vera", source="whatsapp")),
        ("@verochka", _chat(999, "Somebody", former_usernames=("verochka",))),
        ("@verochka", _chat(999, "@Verochka")),
    ],
)
def test_two_that_fit_are_both_listed_wherever_they_are(name: str, other: Chat) -> None:
    for known, dialogs in (([VERA, other], []), ([VERA], [other]), ([other], [VERA]), ([], [VERA, other])):
        text = _listed(name, known, dialogs)
        assert text.startswith("2 chats fit") and "id 102" in text and f"id {other.id}" in text


def test_username_that_moved_means_neither_its_old_nor_its_new_holder() -> None:
    old = _chat(101, "Vera", former_usernames=("vera",))
    text = _listed("@vera", [old, _chat(999, "Thief", "vera")])
    assert "Thief (id 999, @vera); Vera (id 101), formerly @vera" in text
    assert "No chat is called '@vera', but 1 comes near: Vera (id 101)" in _listed("@vera", [old])


def test_name_that_prompts_keep_still_means_the_chat_after_it_was_renamed() -> None:
    renamed = _chat(101, "Petya", prompt_names=(PromptName("Мама", datetime(2026, 1, 1, tzinfo=UTC)),))
    assert find_chat("Мама", [renamed]) is renamed
    assert "id 999" in _listed("Мама", [renamed], [_chat(999, "Мама")])


def test_number_is_an_id_and_no_title_passes_for_it() -> None:
    number, group = _chat(7, "101"), Chat(id=-1_000_000_000_007, kind=ChatKind.GROUP, title="Club")
    assert find_chat("101", [number, MAMA]) is MAMA
    assert find_chat("\u22121000000000007", [number, group]) is group
    text = _listed("101", [number, VERA])
    assert "No chat has the id 101" in text and "101 (id 7)" in text
    assert _listed("55", [VERA]).startswith("No chat fits '55'")


def test_emoji_names_differ_by_their_emoji() -> None:
    bear, panda = _chat(1, "🐻"), _chat(2, "🐼")
    assert find_chat("🐻", [bear, panda]) is bear
    assert "id 1" in _listed("❤", [_chat(1, "❤️"), _chat(2, "❤")])


@pytest.mark.parametrize("name", ["", "  ", "@", " @ ", "\u200b", "\u200b@\u2060"])
def test_no_name_is_no_chat(name: str) -> None:
    assert _listed(name, [MAMA, VERA, _chat(3, "")]).startswith("No chat is named.")


def test_long_list_is_cut() -> None:
    text = _listed("Vera", [_chat(number, "Vera") for number in range(1, SHOWN + 4)])
    assert "and 3 more" in text and f"id {SHOWN + 1}" not in text


def test_deleted_accounts_are_told_apart_by_id_alone() -> None:
    gone = [_chat(1, "Deleted Account"), _chat(2, "Deleted Account")]
    assert "id 1" in _listed("Deleted Account", gone)
    assert find_chat("2", gone) is gone[1]


def test_description_names_what_nobody_can_take() -> None:
    at = datetime(2026, 5, 3, 14, 2, tzinfo=UTC)
    shown = f"last message {at.astimezone():%-d %b %Y %H:%M}"
    assert describe_chat(VERA, newest_at=at) == f"Vera (id 102, @Verochka, {shown})"
    club = Chat(id=-5, kind=ChatKind.GROUP, title="Club\n/clone allow 5", source="discord")
    assert describe_chat(club) == "Club /clone allow 5 (id -5, group, discord)"


def test_title_can_not_pass_for_a_description() -> None:
    assert describe_chat(_chat(999, "Vera (id 101, @vera); Vera")) == "Vera [id 101, @vera); Vera (id 999)"


def test_username_seen_elsewhere_is_taken() -> None:
    assert taken_usernames([_chat(999, "New", "VERA")], {1: "vera", 2: "ann", 999: "x"}) == {1}
    assert taken_usernames([_chat(1, "Vera", "vera")], {1: "vera"}) == set()
