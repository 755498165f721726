"""The store's thread runs calls in the order in which they were queued, whatever becomes of their tasks."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from threading import Event, current_thread

import pytest

from userbot.store.thread import StoreThread


@pytest.fixture
def thread() -> Iterator[StoreThread]:
    started = StoreThread()
    yield started
    started.close()


async def test_call_runs_on_a_thread_of_its_own_and_returns_its_result(thread: StoreThread) -> None:
    name = await thread.run(lambda: current_thread().name)
    assert name.startswith("store")
    assert await thread.run(divmod, 7, 2) == (3, 1)


async def test_error_of_a_call_reaches_its_task(thread: StoreThread) -> None:
    with pytest.raises(ZeroDivisionError):
        await thread.run(divmod, 1, 0)
    assert await thread.run(int, "5") == 5


async def test_call_of_a_cancelled_task_is_finished_before_the_next_one_runs(thread: StoreThread) -> None:
    opened, order = Event(), list[str]()

    def write() -> None:
        opened.wait(5)
        order.append("write of the cancelled task")

    task = asyncio.create_task(thread.run(write))
    await asyncio.sleep(0)
    task.cancel()
    later = thread.start(order.append, "clean up")
    opened.set()
    await later
    assert order == ["write of the cancelled task", "clean up"]
    assert task.cancelled() or task.cancelling()


async def test_queued_calls_are_finished_when_the_thread_is_closed() -> None:
    thread, order = StoreThread(), list[int]()
    calls = [thread.start(order.append, number) for number in range(5)]
    thread.close()
    await asyncio.gather(*calls)
    assert order == [0, 1, 2, 3, 4]
