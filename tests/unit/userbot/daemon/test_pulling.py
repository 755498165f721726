"""History is fetched in the background, one pull at a time, and its progress and end are visible to others."""

from __future__ import annotations

import asyncio

import pytest
from daemon_fakes import FakeHistory

from userbot.daemon.pulling import BackgroundPull, read_pull
from userbot.domain.errors import ConfigError, OfflineError
from userbot.domain.messages import Chat
from userbot.store import Store
from userbot.store.facts import PullState
from userbot.store.thread import StoreThread


async def _settle(thread: StoreThread) -> None:
    for _ in range(5):
        await asyncio.sleep(0)
        await thread.run(int)


async def test_progress_is_shown_until_the_result_is(store: Store, thread: StoreThread, friend: Chat) -> None:
    gate = asyncio.Event()
    pull = BackgroundPull(FakeHistory(gate=gate), store, thread)
    assert read_pull(store) == PullState()
    assert pull.start([friend]) == "Fetching the history of Vera (id 101, @vera)."
    await _settle(thread)
    assert read_pull(store) == PullState(running=True, title="Vera", fetched=100, total=250)
    gate.set()
    await _settle(thread)
    assert read_pull(store) == PullState(text="250 new messages from 1 chat.")


async def test_second_pull_waits_for_the_first_to_end(store: Store, thread: StoreThread, friend: Chat) -> None:
    gate = asyncio.Event()
    pull = BackgroundPull(FakeHistory(gate=gate), store, thread)
    pull.start([friend])
    with pytest.raises(ConfigError, match="A pull is in progress already"):
        pull.start([friend])
    gate.set()
    await _settle(thread)
    pull.start([friend])
    await pull.stop()


async def test_stopped_pull_says_that_the_next_one_continues(store: Store, thread: StoreThread, friend: Chat) -> None:
    pull = BackgroundPull(FakeHistory(gate=asyncio.Event()), store, thread)
    await pull.stop()
    pull.start([friend])
    await _settle(thread)
    await pull.stop()
    await _settle(thread)
    assert read_pull(store) == PullState(text="The pull was stopped; the next one continues from there.")


@pytest.mark.parametrize(
    ("failure", "text"),
    [
        (OfflineError("There is no connection."), "There is no connection."),
        (
            RuntimeError("a bug"),
            "The pull failed (RuntimeError); the daemon's log says more. The next one continues there.",
        ),
    ],
)
async def test_failure_is_told(store: Store, thread: StoreThread, friend: Chat, failure: Exception, text: str) -> None:
    pull = BackgroundPull(FakeHistory(failure=failure), store, thread)
    pull.start([friend])
    await _settle(thread)
    assert read_pull(store) == PullState(text=text)
