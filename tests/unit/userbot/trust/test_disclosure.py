"""An answer says nothing that only other chats hold, however it is written; and everything else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text as sql

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.store import Store
from userbot.store.disclosure import Count
from userbot.trust.disclosure import PUBLIC_CHATS, DisclosureIndex
from userbot.trust.terms import Sort

HERE, THERE = 101, 202

SAID_THERE = (
    (Origin.OWNER, "у нас Бублик живёт"),
    (Origin.OWNER, "код от подъезда 4711, никому"),
    (Origin.OWNER, "пароль zebra77kot"),
    (Origin.CONTACT, "день рождения у неё 14 марта"),
    (Origin.OWNER, "встречаемся у синего фонтана за мельницей"),
    (Origin.CONTACT, "Wilhelmina. a secret"),
    (Origin.OWNER, "the safe is 83-20-17"),
)


def _say(store: Store, chat_id: int, *said: tuple[Origin, str], day: int = 0, first_id: int = 1) -> None:
    if store.chats.get(chat_id) is None:
        store.chats.save([Chat(id=chat_id, kind=ChatKind.PRIVATE, title=f"Chat {chat_id}")])
    store.messages.add(
        Message(
            chat_id=chat_id, id=first_id + n, origin=origin, sent_at=START + timedelta(days=day, minutes=n), text=text
        )
        for n, (origin, text) in enumerate(said)
    )


@pytest.fixture
def index(store: Store) -> DisclosureIndex:
    """An index of a store in which one chat holds secrets and another holds none."""
    _say(store, THERE, *SAID_THERE)
    _say(store, HERE, (Origin.OWNER, "привет, как дела"), (Origin.CONTACT, "норм"))
    index = DisclosureIndex(store.disclosure)
    assert index.is_current()
    return index


@pytest.mark.parametrize(
    "answer",
    [
        "Бублик", "с бубликом гуляли", "Bublik", "Б у б л и к", "Б-у-б-л-и-к", "килбуб", "Бyблик", "бубл1к", "БУБЛИК",
        "B\u200bublik", "Ｂublik", "Бу́блик", "ну это же буб лик", "4711", "4 7 1 1", "47 и 11", "4️⃣7️⃣1️⃣1️⃣",
        "сорок семь одиннадцать", "four seven one one", "1174",
        "четыре семь один один", "четыре тысячи семьсот одиннадцать", "forty seven eleven",
        "zebra77kot", "зебра77кот", "14 марта", "14.03", "четырнадцатого марта", "March 14th", "у синего фонтана",
        "за мельницей, синий фонтан", "Wilhelmina", "Вильгельмина", "832017", "83 20 17",
        "восемьдесят три двадцать семнадцать",
    ],
)  # fmt: skip
def test_secret_of_another_chat_is_found_however_it_is_written(index: DisclosureIndex, answer: str) -> None:
    assert index.judge(HERE, answer) is not None


@pytest.mark.parametrize(
    "answer",
    [
        "норм, а ты?",
        "давай в 17:45",
        "буду через 15 минут",
        "1500 рублей",
        "yes, see you tomorrow",
        "в 2026 поедем",
        "да",
    ],
)
def test_everyday_answer_passes(index: DisclosureIndex, answer: str) -> None:
    assert index.judge(HERE, answer) is None


_DRESSES: dict[str, Callable[[str, int], str]] = {
    "spaced": lambda word, _: " ".join(word),
    "dashed": lambda word, _: "-".join(word),
    "invisible": lambda word, n: word[:n] + "\u2060" + word[n:],
    "accented": lambda word, n: word[:n] + "\u0301" + word[n:],
    "upper": lambda word, _: word.upper(),
    "broken": lambda word, n: word[:n] + " " + word[n:],
    "reversed": lambda word, _: word[::-1],
    "in a sentence": lambda word, _: f"ну это {word}, ага",
    "look-alikes": lambda word, _: word.translate(str.maketrans("аеорсухкб", "aeopcyxkб")),
}


@pytest.mark.parametrize("dress", _DRESSES)
@given(place=st.integers(1, 5), secret=st.sampled_from(["бублик", "4711", "832017"]))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_each_dress_is_seen_through(index: DisclosureIndex, dress: str, place: int, secret: str) -> None:
    assert index.judge(HERE, _DRESSES[dress](secret, min(place, len(secret) - 1))) is not None


@given(cut=st.integers(1, 5), between=st.lists(st.sampled_from(["ага", "ну да", "хм"]), max_size=0))
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_secret_in_two_answers_is_found_with_the_second(index: DisclosureIndex, cut: int, between: list[str]) -> None:
    for secret in ("Бублик", "832017"):
        first, second = secret[:cut], secret[cut:]
        if len(second) > 1:
            assert index.judge(HERE, second, before=[first, *between]) is not None


def test_letters_one_by_one_are_found_with_the_last(index: DisclosureIndex) -> None:
    assert index.judge(HERE, "к", before=list("Бубли")) is Sort.NAME
    assert index.judge(HERE, "к") is None


def test_title_in_quotation_marks_is_found_though_its_words_are_common(store: Store, index: DisclosureIndex) -> None:
    _say(store, THERE, (Origin.CONTACT, "альбом назовём «мёд и порох»"), first_id=90)
    for n in range(4):
        _say(store, 300 + n, (Origin.OWNER, "тут мёд"), (Origin.OWNER, "и порох"))
    assert index.is_current()
    assert index.judge(HERE, "мёд и порох") is Sort.PHRASE
    assert index.judge(HERE, "мёд есть, и порох где-то") is Sort.PHRASE
    assert index.judge(HERE, "мёд есть") is None


def test_amounts_are_found_by_their_number(store: Store, index: DisclosureIndex) -> None:
    _say(store, THERE, (Origin.OWNER, "долг 486 тысяч, в заявке 31,7 миллиона, код 7К4091"), first_id=90)
    assert index.is_current()
    for answer in ("486", "31.7", "31,7 млн", "7к4091", "4091", "четыреста восемьдесят шесть"):
        assert index.judge(HERE, answer) is not None, answer


def test_owner_s_own_words_in_this_chat_free_a_secret(store: Store, index: DisclosureIndex) -> None:
    _say(store, HERE, (Origin.OWNER, "кстати код 4711 и Бублик дома"), day=1, first_id=50)
    assert index.is_current()
    assert index.judge(HERE, "4711") is None
    assert index.judge(HERE, "бублик спит") is None
    assert index.judge(HERE, "14 марта") is Sort.DATE


def test_guess_of_the_contact_frees_nothing_in_this_session_or_later(store: Store, index: DisclosureIndex) -> None:
    _say(store, HERE, (Origin.CONTACT, "код 4711? Бублик?"), day=1, first_id=50)
    assert index.is_current()
    assert index.judge(HERE, "4711") is Sort.NUMBER
    assert index.judge(HERE, "бублик") is Sort.NAME


def test_what_the_contact_told_before_anybody_else_is_theirs(store: Store, index: DisclosureIndex) -> None:
    _say(store, HERE, (Origin.CONTACT, "мы назвали его Бублик"), day=-9, first_id=50)
    assert index.is_current()
    assert index.judge(HERE, "бублик") is None


def test_old_message_that_is_edited_into_a_guess_frees_nothing(store: Store, index: DisclosureIndex) -> None:
    _say(store, HERE, (Origin.CONTACT, "привет"), day=-9, first_id=50)
    old = store.messages.get(HERE, 50)
    assert old is not None and index.is_current()
    store.messages.add([replace(old, text="ну Бублик", edited_at=START + timedelta(days=2))])
    assert index.is_current()
    assert index.judge(HERE, "бублик") is Sort.NAME


@pytest.mark.parametrize(
    ("asked", "answer", "sort"),
    [
        ("твой пёс Бублик?", "ага", Sort.NAME),
        ("код 4711?", "нет", Sort.NUMBER),
        ("скажи плюс если бублик", "+", Sort.NAME),
        ("it is Vilgelmina, right?", "you got it", Sort.NAME),
        ("код 4712?", "да", None),
        ("как там Бублик?", "а что за вопросы такие", None),
        ("ты дома?", "да", None),
    ],
)
def test_yes_and_no_to_a_guess_give_it_away(index: DisclosureIndex, asked: str, answer: str, sort: Sort | None) -> None:
    assert index.judge(HERE, answer, asked=[asked]) is sort


def test_what_many_chats_hold_is_no_secret(store: Store, index: DisclosureIndex) -> None:
    for n in range(PUBLIC_CHATS - 1):
        assert index.judge(HERE, "ну Бублик") is Sort.NAME
        _say(store, 300 + n, (Origin.OWNER, "а Бублик?"))
        assert index.is_current()
    assert index.judge(HERE, "ну Бублик") is None


def test_word_that_is_mostly_written_small_is_no_name(store: Store, index: DisclosureIndex) -> None:
    _say(store, THERE, (Origin.OWNER, "мой Камыш"), *[(Origin.CONTACT, "тут камыш растёт")] * 4, first_id=90)
    assert index.is_current()
    assert index.judge(HERE, "камыш шумит") is None


def test_deleted_and_edited_messages_leave_the_index(store: Store, index: DisclosureIndex) -> None:
    store.messages.mark_deleted(THERE, [2])
    first = store.messages.get(THERE, 1)
    assert first is not None
    store.messages.add([replace(first, text="у нас никто", edited_at=START + timedelta(days=1))])
    assert index.is_current()
    assert index.judge(HERE, "4711") is None
    assert index.judge(HERE, "бублик") is None
    assert index.judge(HERE, "14 марта") is Sort.DATE


def test_words_taken_as_the_owner_s_and_then_the_clone_s_free_nothing(store: Store, index: DisclosureIndex) -> None:
    _say(store, HERE, (Origin.OWNER, "код 4711"), day=1, first_id=50)
    assert index.is_current()
    with store.engine.begin() as connection:
        connection.execute(sql("UPDATE messages SET origin = 'clone' WHERE chat_id = 101 AND id = 50"))
    assert index.is_current()
    assert index.judge(HERE, "4711") is Sort.NUMBER


def test_index_after_any_changes_equals_one_built_anew(store: Store, index: DisclosureIndex) -> None:
    store.messages.mark_deleted(THERE, [2, 4])
    first = store.messages.get(THERE, 1)
    assert first is not None
    for n in (1, 2):
        store.messages.add([replace(first, text=f"у нас Тузик {n}", edited_at=START + timedelta(days=n))])
    with store.engine.begin() as connection:
        connection.execute(sql("DELETE FROM messages WHERE chat_id = 202 AND id = 3"))
    assert index.is_current()
    changed = _read(store)
    store.disclosure.rebuild()
    assert index.is_current()
    assert changed == _read(store)


def _read(store: Store) -> set[tuple[int, int, int, int, int]]:
    with store.engine.connect() as connection:
        rows = connection.execute(sql("SELECT * FROM disclosure_terms")).all()
    return {(c.term, c.chat_id, c.owner, c.contact, c.marked) for c in (Count(*row) for row in rows)}


def test_index_holds_no_words(store: Store, index: DisclosureIndex) -> None:
    with store.engine.connect() as connection:
        assert connection.execute(sql("SELECT count(*) FROM disclosure_queue")).scalar_one() == 0
        kinds = {type(value) for row in connection.execute(sql("SELECT * FROM disclosure_terms")) for value in row}
    assert kinds == {int}


def test_long_queue_is_left_to_the_background(store: Store) -> None:
    _say(store, HERE, *[(Origin.OWNER, "Бублик")] * 30)
    index = DisclosureIndex(store.disclosure)
    assert not index.is_current(catch_up=20)
    assert (index.update(limit=25), index.update(limit=25), index.update(limit=25)) == (25, 5, 0)


def test_value_is_known_where_the_owner_said_it(store: Store, index: DisclosureIndex) -> None:
    assert index.is_known(THERE, "4711") and not index.is_known(HERE, "4711")
    assert not index.is_known(THERE, "") and not index.is_known(THERE, "14 марта")
