"""Turns: replies share, a change is alone."""

from __future__ import annotations

import threading
import time

from training.serving.turns import Turns


def test_replies_share_and_a_change_waits_for_all_of_them() -> None:
    turns, log = Turns(), []
    inside, go = threading.Barrier(3), threading.Event()

    def reply() -> None:
        with turns.share(lambda: False) as entered:
            assert entered
            inside.wait(10)
            go.wait(10)
            log.append("reply")

    def change() -> None:
        with turns.have_alone():
            log.append("change")

    threads = [threading.Thread(target=reply) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    changing = threading.Thread(target=change)
    changing.start()
    time.sleep(0.05)
    assert log == []
    go.set()
    for thread in (*threads, changing):
        thread.join(10)
    assert log == ["reply", "reply", "change"]


def test_what_waits_for_a_change_can_be_cancelled() -> None:
    turns = Turns()
    with turns.have_alone(), turns.share(lambda: True) as entered:
        assert not entered
    with turns.share(lambda: False) as entered:
        assert entered


def test_a_change_that_waits_lets_no_new_reply_begin() -> None:
    turns, order = Turns(), []
    go = threading.Event()

    def change() -> None:
        with turns.have_alone():
            order.append("change")

    def late() -> None:
        with turns.share(lambda: False):
            order.append("late")

    with turns.share(lambda: False):
        changing = threading.Thread(target=change)
        changing.start()
        time.sleep(0.05)
        waiting = threading.Thread(target=late)
        waiting.start()
        time.sleep(0.05)
        go.set()
    changing.join(10)
    waiting.join(10)
    assert order == ["change", "late"]
