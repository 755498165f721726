"""Samples: the reasons that the report shows, and the defaults of an empty report."""

from __future__ import annotations

import pytest

from training.data.samples import ChatReport, DataReport, Reason

UNITS = ("chats", "messages", "your turns", "instruction samples")


@pytest.mark.parametrize("reason", Reason)
def test_each_reason_names_the_unit_that_is_counted(reason: Reason) -> None:
    assert reason.startswith(UNITS)


def test_an_empty_report_counts_nothing() -> None:
    report = DataReport()

    assert (report.train_samples, report.held_out_samples, report.supervised_tokens) == (0, 0, 0)
    assert (report.chats, report.left_out, report.lengths, report.held_out_since) == ((), {}, {}, None)


def test_a_chat_that_is_left_out_counts_nothing() -> None:
    chat = ChatReport(chat_id=5, title="Ann", left_out=Reason.NO_CONSENT)

    assert (chat.messages, chat.own_turns, chat.supervised, chat.held_out) == (0, 0, 0, 0)
