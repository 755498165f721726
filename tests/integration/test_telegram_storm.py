"""Many faults at once, and nothing lost or doubled."""

from __future__ import annotations

import asyncio
from random import Random

from telegram_stage import Stage, wait_until

from userbot.domain.errors import OfflineError
from userbot.domain.events import Arrived
from userbot.domain.messages import Origin
from userbot.telegram.account import TelegramAccount


async def test_nothing_is_lost_or_doubled_in_a_storm(stage: Stage) -> None:
    """Drops and gaps at once: what the store has in the end is what Telegram has."""
    chaos, faults = Random(7), stage.server.faults  # noqa: S311  # a repeatable storm, no secret
    chat = stage.chat()
    disturbances = [
        lambda: faults.disconnect(stage.owner),
        lambda: faults.miss_updates(stage.owner, count=2),
        lambda: faults.difference_too_long(stage.owner),
        lambda: faults.drop("updates.getDifference", "after"),
        lambda: faults.drop("messages.sendMessage", "after"),
        lambda: faults.drop("messages.getHistory", "before"),
        lambda: faults.change_salts(stage.owner),
    ]

    async def store_what_comes(account: TelegramAccount) -> None:
        while True:
            event = await account.events.get()
            assert isinstance(event, Arrived)
            assert event.message.origin is not Origin.OWNER
            await asyncio.to_thread(stage.store.messages.add, [event.message])

    async def answer(account: TelegramAccount) -> None:
        for number in range(10):
            while True:
                try:
                    await account.messenger.send(chat, f"answer {number}", random_id=number + 1)
                    break
                except OfflineError:
                    await asyncio.sleep(0.01)

    async with stage.account() as account, asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(store_what_comes(account)),
            tasks.create_task(account.keep_reconciled(stage.store, every_s=0.2)),
        ]
        answering = tasks.create_task(answer(account))
        for number in range(40):
            await stage.server.send(stage.vera, stage.owner, f"question {number}")
            if number % 3 == 0:
                chaos.choice(disturbances)()
            await asyncio.sleep(0.005)
        await answering
        faults.clear()
        theirs = [message.text for message in stage.server.conversation(stage.vera, stage.owner)]
        await wait_until(
            lambda: [message.text for message in stage.store.messages.history(chat.id)] == theirs, timeout_s=20.0
        )
        for task in background:
            task.cancel()
    assert sorted(text for text in theirs if text.startswith("answer")) == [f"answer {n}" for n in range(10)]
