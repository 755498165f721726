"""Commands wait for the daemon, are answered once, and do not wait for ever."""

from __future__ import annotations

from datetime import timedelta

from fakes import FakeClock

from userbot.store import Store
from userbot.store.commands import Answer


def test_command_that_lay_around_is_given_up(store: Store, clock: FakeClock) -> None:
    old = store.commands.leave("undo", "")
    clock.advance(600)
    fresh = store.commands.leave("status", "")
    store.commands.give_up(clock() - timedelta(minutes=5), text="too late")
    assert [command.id for command in store.commands.waiting()] == [fresh]
    answer = store.commands.read_answer(old)
    assert answer is not None and (answer.text, answer.failed) == ("too late", True)


def test_command_is_answered_once(store: Store) -> None:
    number = store.commands.leave("pause", "2h")
    assert [(c.verb, c.argument) for c in store.commands.waiting()] == [("pause", "2h")]
    assert store.commands.read_answer(number) is None
    store.commands.answer(number, "no such chat", failed=True)
    assert store.commands.waiting() == []
    assert store.commands.read_answer(number) == Answer("no such chat", failed=True)
