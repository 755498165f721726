"""Findings and the text that detectors read."""

from __future__ import annotations

from userbot.trust.detectors.finding import Finding, Source, keep_apart


def test_positions_stay_where_small_letters_are_longer() -> None:
    source = Source.read("İİ Код Ё")
    assert len(source.low) == len(source.text)
    assert source.low.endswith("код е")


def test_first_of_two_that_overlap_is_kept_and_order_is_by_position() -> None:
    sure, unsure, other = Finding(5, 9, "card"), Finding(0, 6, "phone"), Finding(0, 4, "code")
    assert keep_apart([sure, unsure, other]) == (other, sure)


def test_empty_finding_is_none() -> None:
    assert keep_apart([Finding(3, 3, "card")]) == ()


def test_line_ends_at_its_break_or_at_the_end() -> None:
    source = Source.read("one\ntwo")
    assert (source.line_end(1), source.line_end(5)) == (3, 7)
