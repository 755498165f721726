"""Secrets in pieces, put together again before they are judged."""

from __future__ import annotations

import pytest

from userbot.trust.pieces import list_spelled, put_together


@pytest.mark.parametrize(
    ("before", "answer", "reading"),
    [
        (["Ки"], "вилло", "Кивилло"),
        (["Ки", "ви"], "лло", "Кивилло"),
        (["17 ", "ок"], "тября", "17 октября"),
        (["синий шк"], "аф молчит", "синий шкаф молчит"),
        (["the apples"], "are sour", "the apples are sour"),
        (["28"], ",4", "28,4"),
        (["4Б"], "772", "4Б772"),
        ([], "один семь м а р т а", "17 марта"),
        ([], "M a r c h two nine", "March 29"),
        ([], "два восемь , четыре", "28,4"),
        ([], "Ки\nвил\nло", "Кивилло"),
    ],
)
def test_pieces_are_read_as_one(before: list[str], answer: str, reading: str) -> None:
    assert reading in put_together(answer, before)


@pytest.mark.parametrize("answer", ["привет, как дела", "see you at nine then", "ок"])
def test_answer_in_one_piece_has_no_other_reading(answer: str) -> None:
    assert put_together(answer, ["a longer answer that is no piece of anything"]) == []


def test_only_short_answers_right_before_are_taken_in() -> None:
    assert put_together("вилло", ["Ки", "а это уже целое предложение, не кусок"]) == []


def test_words_in_letters_written_apart_are_found() -> None:
    assert {"порог", "зеленый"} <= list_spelled("з е л е н ы й п о р о г")
    assert "apples" in list_spelled("a-p-p-l-e-s")
    assert list_spelled("зеленый порог") == set()
