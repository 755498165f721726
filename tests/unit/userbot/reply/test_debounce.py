"""Waiting until the contact has finished."""

from __future__ import annotations

from datetime import timedelta

from fakes import START

from userbot.domain.messages import Chat, ChatKind
from userbot.reply.debounce import Debounce

GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def _at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def test_each_bubble_puts_the_end_off() -> None:
    debounce = Debounce(quiet_s=7, burst_max_s=45)
    assert debounce.due_at is None
    debounce.add_bubble(START)
    debounce.add_bubble(START + _at(5))
    assert debounce.due_at == START + _at(12)


def test_typing_puts_the_end_off_and_means_nothing_before_a_bubble() -> None:
    debounce = Debounce(quiet_s=2, burst_max_s=45)
    debounce.add_typing(START)
    assert debounce.due_at is None
    debounce.add_bubble(START)
    debounce.add_typing(START + _at(1))
    assert debounce.due_at == START + _at(7)


def test_nothing_puts_the_end_off_beyond_the_ceiling() -> None:
    debounce = Debounce(quiet_s=7, burst_max_s=20)
    for second in range(0, 60, 5):
        debounce.add_bubble(START + _at(second))
    assert debounce.due_at == START + _at(20)


def test_reopened_burst_keeps_its_ceiling() -> None:
    debounce = Debounce(quiet_s=7, burst_max_s=20)
    debounce.reopen(START)
    debounce.add_bubble(START + _at(18))
    assert debounce.due_at == START + _at(20)
