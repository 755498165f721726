"""Commands find chats and drop answers with the running daemon, and without it in the store."""

from __future__ import annotations

from dataclasses import replace

import pytest
from daemon_fakes import FakeDaemon
from fakes import START

from userbot.daemon.command_context import CommandContext
from userbot.daemon.commands import answer_command
from userbot.domain.errors import ChatNotFoundError, OfflineError
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
    daemon.dialogs.append(Chat(id=303, kind=ChatKind.PRIVATE, title="Boris", username="boria"))
    answer = await answer_command("allow", "@boria", context)
    assert answer == "Boris (id 303, @boria) is answered from now on."
    assert [chat.id for chat in store.chats.allowed()] == [303]


@pytest.mark.parametrize("name", ["vera", "@vera"])
async def test_name_that_somebody_else_bears_by_now_is_never_followed(
    context: CommandContext, daemon: FakeDaemon, store: Store, friend: Chat, name: str
) -> None:
    daemon.dialogs.append(Chat(id=999, kind=ChatKind.PRIVATE, title="Vera", username="vera", access_hash=9))
    for _ in range(2):  # the second time, the username is stored as lost
        with pytest.raises(ChatNotFoundError, match="2 chats fit") as caught:
            await context.find_chat(name)
        assert "id 999" in str(caught.value) and "id 101" in str(caught.value)
    assert (await context.find_chat("101")).username is None
    assert store.chats.get(999) is None


async def test_id_of_a_stored_chat_needs_no_telegram(context: CommandContext, daemon: FakeDaemon, friend: Chat) -> None:
    daemon.offline = OfflineError("no connection")
    assert (await context.find_chat("101")).id == friend.id
    with pytest.raises(ChatNotFoundError, match=r"can't be asked .* give the id, 101, which needs no asking"):
        await context.find_chat("vera")
    with pytest.raises(ChatNotFoundError, match="No chat fits 'Boris'"):
        await context.find_chat("Boris")


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
