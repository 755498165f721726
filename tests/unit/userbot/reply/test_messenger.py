"""What every messenger keeps to: the sender over a loopback Telegram, and the fake of the tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from fakes import FakeClock
from fakes_reply import FakeMessenger
from telegram_stage import Stage

from userbot.domain.messages import Chat, Origin
from userbot.loopback import LoopbackTelegram
from userbot.reply.messenger import Messenger
from userbot.store import Store


@dataclass
class Setup:
    """A messenger, a chat to write to, and the ways to look at what came of it."""

    messenger: Messenger
    chat: Chat
    delivered: Callable[[], list[str]]
    write_owner_draft: Callable[[str], Awaitable[None]]


@pytest.fixture(params=["telegram", "fake"])
async def setup(
    request: pytest.FixtureRequest, tmp_path: Path, store: Store, clock: FakeClock, friend: Chat
) -> AsyncIterator[Setup]:
    if request.param == "fake":
        fake = FakeMessenger(clock)

        async def write(text: str) -> None:
            fake.drafts[friend.id] = text

        yield Setup(fake, friend, lambda: [text for _, text in fake.sent], write)
        return
    async with LoopbackTelegram() as server:
        stage = Stage.set_up(server, tmp_path, store)
        await stage.log_in()
        await server.send(stage.vera, stage.owner, "hi")
        async with stage.account() as account:
            yield Setup(
                account.messenger,
                stage.chat(),
                lambda: [message.text for message in server.conversation(stage.vera, stage.owner)][1:],
                lambda text: server.save_draft(stage.owner, stage.vera, text),
            )


async def test_bubble_is_returned_as_the_clones(setup: Setup) -> None:
    sent = await setup.messenger.send(setup.chat, "hello", random_id=5)
    assert (sent.chat_id, sent.origin, sent.text) == (setup.chat.id, Origin.CLONE, "hello")
    assert setup.delivered() == ["hello"]


async def test_same_random_id_delivers_once_and_returns_the_first_message(setup: Setup) -> None:
    first = await setup.messenger.send(setup.chat, "hello", random_id=5)
    again = await setup.messenger.send(setup.chat, "hello", random_id=5)
    other = await setup.messenger.send(setup.chat, "hello", random_id=6)
    assert again.id == first.id != other.id
    assert setup.delivered() == ["hello", "hello"]


async def test_draft_replaces_the_clones_own_and_never_the_owners(setup: Setup) -> None:
    assert await setup.messenger.save_draft(setup.chat, "one")
    assert await setup.messenger.save_draft(setup.chat, "two")
    await setup.write_owner_draft("mine")
    assert not await setup.messenger.save_draft(setup.chat, "three")


async def test_reading_typing_and_deleting_deliver_nothing(setup: Setup) -> None:
    sent = await setup.messenger.send(setup.chat, "hello", random_id=5)
    await setup.messenger.show_typing(setup.chat)
    await setup.messenger.mark_read(setup.chat, up_to_id=1)
    await setup.messenger.notify_owner("to Saved Messages")
    assert setup.delivered() == ["hello"]
    await setup.messenger.delete(setup.chat, [sent.id])
