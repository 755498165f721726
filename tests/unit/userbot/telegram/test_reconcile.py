"""Nothing lost: what the updates miss, the reconciler finds."""

from __future__ import annotations

from telegram_stage import Stage, left_over, next_event, wait_until

from userbot.domain.events import Arrived
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.telegram.account import TelegramAccount
from userbot.telegram.reconcile import FIRST_LOOK


def keep(stage: Stage, account: TelegramAccount) -> list[str]:
    """Store what has arrived, as the daemon does; return the texts that were new."""
    arrived = [event.message for event in left_over(account) if isinstance(event, Arrived)]
    return [message.text for message in arrived if stage.store.messages.add([message])]


async def test_a_missed_update_is_found_even_behind_a_newer_message(stage: Stage) -> None:
    stage.chat()
    async with stage.account(supervised=False) as account:
        await account.reconcile(stage.store)
        stage.server.faults.miss_updates(stage.owner)
        await stage.server.send(stage.vera, stage.owner, "missed")
        await account.reconcile(stage.store)
        assert keep(stage, account) == ["missed"]
        assert await account.reconcile(stage.store) == 0


async def test_a_hole_before_a_stored_message_is_filled(stage: Stage) -> None:
    chat = stage.chat()
    await stage.server.send(stage.vera, stage.owner, "one")
    await stage.server.send(stage.vera, stage.owner, "two")
    stage.server.faults.difference_too_long(stage.owner)
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "three")
        await wait_until(lambda: not account.events.empty())
        assert keep(stage, account) == ["three"]
        assert await account.reconcile(stage.store) == 2
        assert keep(stage, account) == ["one", "two"]
        assert [message.text for message in stage.store.messages.window(chat.id, limit=5)] == ["one", "two", "three"]


async def test_the_cursor_waits_until_everything_is_stored(stage: Stage) -> None:
    stage.chat()
    await stage.server.send(stage.vera, stage.owner, "one")
    stage.server.faults.difference_too_long(stage.owner)
    async with stage.account() as account:
        assert await account.reconcile(stage.store) == 1
        left_over(account)  # a crash before the store
    async with stage.account() as account:
        assert await account.reconcile(stage.store) == 1
        assert keep(stage, account) == ["one"]
        assert await account.reconcile(stage.store) == 0


async def test_quiet_chats_cost_one_request_for_all(stage: Stage) -> None:
    for number in range(5):
        friend = stage.server.add_user(f"Friend {number}")
        await stage.server.send(friend, stage.owner, "hi")
        stage.chat(friend)
    async with stage.account() as account:
        await account.reconcile(stage.store)
        keep(stage, account)
        await account.reconcile(stage.store)
        before = len(stage.server.calls_of("messages.getHistory"))
        await account.reconcile(stage.store)
        assert len(stage.server.calls_of("messages.getHistory")) == before


async def test_a_chat_seen_for_the_first_time_gives_its_newest_messages_only(stage: Stage) -> None:
    stage.chat()
    for number in range(FIRST_LOOK + 10):
        await stage.server.send(stage.vera, stage.owner, str(number))
    async with stage.account() as account:
        left_over(account)
        assert await account.reconcile(stage.store) == FIRST_LOOK
        assert keep(stage, account) == [str(number) for number in range(10, FIRST_LOOK + 10)]


async def test_chats_that_nobody_chose_are_left_alone(stage: Stage) -> None:
    stage.chat(mode=Mode.OFF)
    await stage.server.send(stage.vera, stage.owner, "private")
    async with stage.account() as account:
        left_over(account)
        assert await account.reconcile(stage.store) == 0
    assert stage.server.calls_of("messages.getHistory") == []


async def test_a_refused_chat_does_not_stop_the_others(stage: Stage) -> None:
    lost = stage.server.add_channel("Team", [stage.vera])
    gone = Chat(id=lost.chat_id, kind=ChatKind.GROUP, title="A team", access_hash=lost.access_hash)
    stage.store.chats.save([gone])
    stage.store.chats.set_mode(gone.id, Mode.AUTO)
    stage.chat()
    stage.server.faults.miss_updates(stage.owner)
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "hi")
        assert await account.reconcile(stage.store) == 1


async def test_the_clones_own_message_is_known_in_the_history(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        await account.messenger.send(chat, "hello", random_id=5)
        await account.reconcile(stage.store)
        assert (await next_event(account, Arrived)).message.origin is Origin.CLONE


async def test_a_flood_wait_delays_the_reconciler_and_loses_nothing(stage: Stage) -> None:
    stage.chat()
    stage.server.faults.miss_updates(stage.owner)
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "hi")
        stage.server.faults.flood_wait("messages.getHistory", 2, calls=2)
        assert await account.reconcile(stage.store) == 1
    assert stage.naps.count(2) == 2
