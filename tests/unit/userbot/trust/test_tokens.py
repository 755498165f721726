"""Words, numbers and dates in a text."""

from __future__ import annotations

import pytest

from userbot.trust.tokens import find_dates, find_runs, is_everyday_run, read_tokens, write_run


@pytest.mark.parametrize(
    ("text", "digits"),
    [
        ("4 7 1 1", "4711"),
        ("сорок семь - одиннадцать", "4711"),
        ("47 и 11", "4711"),
        ("four thousand seven hundred eleven", "4711"),
        ("four seven one one", "4711"),
        ("4\ufe0f\u20e37\ufe0f\u20e31\ufe0f\u20e31\ufe0f\u20e3", "4711"),
        ("٤٧١١", "4711"),
    ],
)
def test_runs_of_numbers(text: str, digits: str) -> None:
    assert [write_run(run) for _, run in find_runs(read_tokens(text), connectors=True)] == [digits]


@pytest.mark.parametrize("text", ["в 17:45", "14.03.2026", "10-15 человек", "1450 рублей", "3.5 км", "$45"])
def test_times_dates_prices_and_measures_are_everyday(text: str) -> None:
    tokens = read_tokens(text)
    first, run = next(iter(find_runs(tokens, connectors=False)))
    after = tokens[first + len(run)] if first + len(run) < len(tokens) else None
    assert is_everyday_run(run, after)


@pytest.mark.parametrize("text", ["4711", "83-20-17", "8 916 123-45-67"])
def test_codes_are_not(text: str) -> None:
    [(_, run)] = find_runs(read_tokens(text), connectors=False)
    assert not is_everyday_run(run, None)


@pytest.mark.parametrize(
    "text", ["14 марта", "14.03", "14/03/1987", "March 14th", "14th of March", "четырнадцатого марта", "14-го марта"]
)
def test_one_date_in_every_form(text: str) -> None:
    assert set(find_dates(read_tokens(text))) == {(14, 3)}


def test_sentences_begin_after_an_end() -> None:
    assert [token.opens for token in read_tokens("Ну да. Вот (Это)\nТак")] == [True, False, True, True, True]
