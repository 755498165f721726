"""What is held in memory about one chat."""

from __future__ import annotations

import asyncio

from userbot.reply.conversation import Conversation
from userbot.reply.debounce import Debounce


async def test_stopping_cancels_the_task_once() -> None:
    conversation = Conversation(101, Debounce(quiet_s=7, burst_max_s=45))
    conversation.stop()
    task = asyncio.create_task(asyncio.sleep(60))
    conversation.task = task
    conversation.stop()
    conversation.stop()
    await asyncio.wait([task])
    assert task.cancelled()
    assert conversation.task is None


def test_only_the_newest_addressed_messages_are_kept() -> None:
    conversation = Conversation(101, Debounce(quiet_s=7, burst_max_s=45))
    conversation.addressed_ids.extend(range(60))
    assert (len(conversation.addressed_ids), conversation.addressed_ids[0]) == (50, 10)
