"""Commands find chats and drop answers with the running daemon, and without it in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest
from daemon_fakes import FakeDaemon
from fakes import START

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command
from userbot.domain.errors import ChatNotFoundError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.replies import Bubble, Decision, ReplyState


async def test_without_a_daemon_pending_answers_are_cancelled_in_the_store(
    context: CommandContext, store: Store, friend: Chat
) -> None:
    store.replies.decide(
        Decision(chat_id=101, trigger_id=1, state=ReplyState.QUEUED), [Bubble(text="hey", random_id=1, due_at=START)]
    )
    await answer_command("off", "@vera", replace(context, daemon=None))
    assert store.replies.pending() == []


async def test_chat_unknown_to_the_store_is_looked_up_by_the_daemon(
    context: CommandContext, daemon: FakeDaemon, store: Store
) -> None:
    boris = Chat(id=303, kind=ChatKind.PRIVATE, title="Boris", username="boris")
    store.chats.save([boris])
    daemon.dialogs["@boria"] = boris
    assert await answer_command("allow", "@boria", context) == "Boris is answered from now on."


async def test_chat_of_the_store_is_found_without_asking_telegram(
    context: CommandContext, daemon: FakeDaemon, friend: Chat
) -> None:
    daemon.dialogs["vera"] = Chat(id=999, kind=ChatKind.PRIVATE, title="another Vera")
    assert (await context.find_chat("vera")).id == friend.id


async def test_chat_that_nobody_knows_is_refused(context: CommandContext) -> None:
    for one in (context, replace(context, daemon=None)):
        with pytest.raises(ChatNotFoundError, match="No chat fits 'Boris'"):
            await one.find_chat("Boris")


async def test_review_and_drop_go_to_the_running_daemon(
    context: CommandContext, daemon: FakeDaemon, friend: Chat
) -> None:
    await context.review()
    await context.drop_answer(friend, reason="a test")
    assert (daemon.reviews, daemon.dropped) == (1, [friend.id])
    await replace(context, daemon=None).review()
