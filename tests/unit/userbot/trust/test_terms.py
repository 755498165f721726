"""What a message puts into the index, and what an answer may be read as."""

from __future__ import annotations

import pytest

from userbot.trust.terms import ALONE, TELLING, Sort, list_meant, list_meant_together, list_said


def _said(text: str) -> dict[str, int]:
    return {term.key: term.weight for term in list_said(text)}


def test_name_inside_a_bubble_tells_and_a_word_does_not() -> None:
    said = _said("у нас Бублик и гномы")
    assert (said["NAME:bublik"], said["NAME:gnom"]) == (TELLING, 0)


def test_word_alone_in_its_sentence_tells_less() -> None:
    assert _said("Милолика. свекрови ни слова!")["NAME:milolik"] == ALONE
    assert "NAME:prekrasn" not in {key for key, weight in _said("Прекрасно!").items() if weight}


def test_number_beside_a_word_makes_it_telling() -> None:
    assert _said("рексик-42")["NAME:reksik"] == TELLING


def test_numbers_of_everyday_form_are_left_out() -> None:
    assert not [key for key in _said("в 17:45, 1500 руб, 2026 год, 10-15 штук") if key.startswith("NUMBER")]
    assert "NUMBER:4711" in _said("код 47-11 у двери")


def test_last_digits_of_a_long_number_count_as_well() -> None:
    assert {"NUMBER:9012345678", "NUMBER:5678"} <= set(_said("901 234 56 78"))


@pytest.mark.parametrize(
    "answer",
    [
        "Бублик",
        "бублика",
        "Б у б л и к",
        "Б-у-б-л-и-к",
        "Буб лик",
        "Bublik",
        "B.u.b.l.i.k",
        "килбуб",
        "Бyблик",
        "бубл1к",
    ],
)
def test_answer_is_read_as_the_name_it_hides(answer: str) -> None:
    assert "NAME:bublik" in {term.key for term in list_meant(answer)}


@pytest.mark.parametrize(
    "answer", ["сначала 47, ну и ещё 11", "первая 4, вторая 7, третья 1, четвёртая 1", "there is 47 and there is 11"]
)
def test_numbers_with_words_between_are_read_together(answer: str) -> None:
    assert "NUMBER:4711" in {term.key for term in list_meant(answer)}


def test_letters_with_words_between_are_read_together() -> None:
    answer = "первая Б, дальше У, снова Б, за ней Л, потом И, и наконец К"
    assert "NAME:bublik" in {term.key for term in list_meant(answer)}


@pytest.mark.parametrize(
    "answer", ["4711", "4-7-1-1", "сорок семь одиннадцать", "четыре, семь, один, один", "1174 задом"]
)
def test_answer_is_read_as_the_number_it_hides(answer: str) -> None:
    assert "NUMBER:4711" in {term.key for term in list_meant(answer)}


@pytest.mark.parametrize(
    ("before", "last", "key"),
    [
        (["47"], "11", "NUMBER:4711"),
        (["первые две 47"], "потом 11", "NUMBER:4711"),
        (["4", "ага", "7", "1"], "1", "NUMBER:4711"),
        (["Буб"], "лик", "NAME:bublik"),
        (list("бубли"), "к", "NAME:bublik"),
        (["первая Б", "потом У", "дальше Б", "ещё Л", "И"], "и К", "NAME:bublik"),
    ],
)
def test_answers_are_read_together(before: list[str], last: str, key: str) -> None:
    assert key in {term.key for term in list_meant_together([*before, last])}


def test_what_is_out_already_is_not_read_again() -> None:
    assert list_meant_together(["47", "11", "ок да"]) == []


def test_phrase_is_read_in_either_order_and_needs_a_word_that_is_not_everyday() -> None:
    assert Sort.PHRASE in {term.sort for term in list_said("зелёный гном")}
    assert {t.key for t in list_said("зелёный гном") if t.words} == {
        t.key for t in list_meant("гном зелёный") if t.words
    }
    assert not [term for term in list_said("привет, купил хлеб") if term.words]
