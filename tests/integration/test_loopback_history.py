"""Dialogs, history and search of the loopback Telegram, against the known truth."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from telethon import TelegramClient
from telethon.errors import PeerIdInvalidError
from telethon.sessions import MemorySession
from telethon.tl import functions, types

from userbot.loopback import LoopbackTelegram, User

START = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)
COUNT = 250


@pytest.fixture
async def server() -> AsyncIterator[LoopbackTelegram]:
    async with LoopbackTelegram(clock=lambda: START) as running:
        yield running


@pytest.fixture
def owner(server: LoopbackTelegram) -> User:
    return server.add_user("Owner", phone="+10000000001", username="owner")


@pytest.fixture
def alice(server: LoopbackTelegram) -> User:
    return server.add_user("Alice", phone="+10000000002", username="alice")


@pytest.fixture
async def client(server: LoopbackTelegram, owner: User) -> AsyncIterator[TelegramClient]:
    new = TelegramClient(MemorySession(), 1, "hash", request_retries=1, receive_updates=False)
    await server.log_in(new, owner)
    yield new
    await new.disconnect()


@pytest.fixture
async def ids(server: LoopbackTelegram, owner: User, alice: User) -> list[int]:
    """Ids, ascending, of a chat with Alice a minute apart, with holes where other chats and deletions lie."""
    for number in range(COUNT):
        writer, reader = (owner, alice) if number % 3 else (alice, owner)
        await server.send(writer, reader, f"message {number}", date=START + timedelta(minutes=number))
        if number % 10 == 0:
            await server.send(owner, owner, f"note {number}")
    gone = [message.id for message in server.conversation(owner, alice)][50:60]
    await server.delete(owner, alice, gone)
    return [message.id for message in server.conversation(owner, alice)]


async def test_iterating_backwards_gives_every_message_once(
    client: TelegramClient, alice: User, ids: list[int]
) -> None:
    await client.get_dialogs()
    assert [message.id async for message in client.iter_messages(alice.user_id, wait_time=0)] == ids[::-1]


async def test_iterating_forwards_gives_every_message_once(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()
    assert [message.id async for message in client.iter_messages(alice.user_id, reverse=True, wait_time=0)] == ids


@pytest.mark.parametrize("reverse", [False, True])
async def test_limits_cut_both_directions(
    client: TelegramClient, alice: User, ids: list[int], *, reverse: bool
) -> None:
    await client.get_dialogs()
    for limit in (1, 7, 99, 100, 101, 200, 1000):
        got = await client.get_messages(alice.user_id, limit=limit, reverse=reverse)
        assert [message.id for message in got] == (ids if reverse else ids[::-1])[:limit], limit


async def test_minimum_and_offset_ids_cut_both_directions(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()

    async def listed(**arguments: Any) -> list[int]:
        return [message.id for message in await client.get_messages(alice.user_id, limit=1000, **arguments)]

    for position in (0, 1, 30, 130, 238, 239):
        edge, older, newer = ids[position], ids[:position], ids[position + 1 :]
        assert await listed(min_id=edge, reverse=True) == newer, position
        assert await listed(min_id=edge) == newer[::-1], position
        assert await listed(max_id=edge) == older[::-1], position
        assert await listed(offset_id=edge) == older[::-1], position
        assert await listed(offset_id=edge, reverse=True) == newer, position


async def test_offset_date_starts_before_that_moment(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()
    moment = START + timedelta(minutes=20)
    got = [message async for message in client.iter_messages(alice.user_id, offset_date=moment, wait_time=0)]
    assert [message.raw_text for message in got] == [f"message {number}" for number in range(19, -1, -1)]


async def test_negative_offset_gives_the_newer_side(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()
    middle = ids[100]

    async def page(**changes: int) -> list[int]:
        numbers = {"offset_id": middle, "add_offset": 0, "limit": 20, "max_id": 0, "min_id": 0, "hash": 0} | changes
        request = functions.messages.GetHistoryRequest(
            await client.get_input_entity(alice.user_id), offset_date=None, **numbers
        )
        return [message.id for message in (await client(request)).messages]

    assert await page() == ids[80:100][::-1]
    assert await page(add_offset=-20) == ids[100:120][::-1]
    assert await page(add_offset=-10) == ids[90:110][::-1]
    assert await page(add_offset=5) == ids[75:95][::-1]
    assert await page(min_id=ids[90], max_id=ids[95]) == ids[91:95][::-1]
    assert await page(offset_id=ids[-1], add_offset=-50) == []
    assert await page(offset_id=0, limit=0) == ids[-20:][::-1]


async def test_total_counts_the_whole_chat(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()
    assert (await client.get_messages(alice.user_id, limit=3)).total == len(ids)


async def test_messages_by_id_keep_order_and_gaps(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()
    missing = next(number for number in range(1, max(ids)) if number not in ids)
    picked = await client.get_messages(alice.user_id, ids=[ids[3], missing, ids[1]])
    assert [message and message.id for message in picked] == [ids[3], None, ids[1]]


async def test_search_finds_by_text_and_sender(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User, ids: list[int]
) -> None:
    await client.get_dialogs()
    picked = [
        message.raw_text async for message in client.iter_messages(alice.user_id, search="MESSAGE 24", wait_time=0)
    ]
    assert picked == [f"message {number}" for number in (*range(249, 239, -1), 24)]
    group = server.add_group("Group", [owner, alice])
    await server.send(alice, group, "from alice")
    await server.send(owner, group, "from owner")
    await client.get_dialogs()
    mine = [message.raw_text async for message in client.iter_messages(group.chat_id, from_user="me", wait_time=0)]
    assert mine == ["from owner"]


async def test_message_shows_direction_sender_reply_and_date(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    asked = await server.send(alice, owner, "question?")
    await server.send(owner, alice, "an answer", reply_to=1)
    await client.get_dialogs()
    answer, question = await client.get_messages(alice.user_id, limit=2)
    assert (question.out, question.sender_id, question.date) == (False, alice.user_id, asked.date)
    assert (answer.out, answer.sender_id, answer.reply_to_msg_id) == (True, owner.user_id, question.id)


async def test_ids_are_counted_per_account(server: LoopbackTelegram, owner: User, alice: User) -> None:
    bob = server.add_user("Bob")
    await server.send(bob, owner, "one")
    await server.send(alice, owner, "two")
    assert [message.id for message in server.conversation(owner, alice)] == [2]
    assert [message.id for message in server.conversation(alice, owner)] == [1]


async def test_dialogs_come_newest_first_with_unread_counts_and_pins(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    bob = server.add_user("Bob", bot=True)
    await server.send(alice, owner, "one", date=START)
    await server.send(alice, owner, "two", date=START)
    await server.send(bob, owner, "beep", date=START + timedelta(minutes=1))
    group = server.add_group("Group", [owner, alice, bob])
    await server.send(alice, group, "hello all", date=START + timedelta(minutes=2))
    channel = server.add_channel("Super", [owner, alice])
    await server.send(alice, channel, "hello super", date=START + timedelta(minutes=3))
    dialogs = await client.get_dialogs()
    assert [(dialog.name, dialog.unread_count) for dialog in dialogs] == [
        ("Super", 1),
        ("Group", 1),
        ("Bob", 1),
        ("Alice", 2),
    ]
    assert [dialog.entity.bot for dialog in dialogs if dialog.is_user] == [True, False]
    peer = types.InputDialogPeer(await client.get_input_entity(alice.user_id))
    await client(functions.messages.ToggleDialogPinRequest(peer, pinned=True))
    assert [dialog.name for dialog in await client.get_dialogs()] == ["Alice", "Super", "Group", "Bob"]
    pinned = await client(functions.messages.GetPinnedDialogsRequest(folder_id=0))
    assert [dialog.peer.user_id for dialog in pinned.dialogs] == [alice.user_id]


async def test_dialogs_are_paged(client: TelegramClient, server: LoopbackTelegram, owner: User) -> None:
    people = [server.add_user(f"Friend {number}") for number in range(230)]
    for minute, person in enumerate(people):
        await server.send(person, owner, "hi", date=START + timedelta(minutes=minute // 3))
    names = [dialog.name async for dialog in client.iter_dialogs()]
    assert names == [person.first_name for person in people[::-1]]


async def test_wrong_access_hash_is_refused(client: TelegramClient, alice: User) -> None:
    with pytest.raises(PeerIdInvalidError):
        await client.get_messages(types.InputPeerUser(alice.user_id, alice.access_hash + 1))


async def test_people_are_found_by_name_phone_and_contact_list(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    server.befriend(owner, alice)
    assert (await client.get_entity("@Alice")).id == alice.user_id
    contacts = await client(functions.contacts.GetContactsRequest(0))
    assert [(user.id, user.phone) for user in contacts.users] == [(alice.user_id, "+10000000002")]
    full = await client(functions.users.GetFullUserRequest(await client.get_input_entity("alice")))
    assert full.users[0].id == full.full_user.id == alice.user_id
    with pytest.raises(ValueError, match="No user has"):
        await client.get_entity("nobody_at_all")


async def test_takeout_reads_history_until_it_is_finished(client: TelegramClient, alice: User, ids: list[int]) -> None:
    await client.get_dialogs()
    async with client.takeout(users=True) as takeout:
        assert len([message async for message in takeout.iter_messages(alice.user_id, wait_time=0)]) == len(ids)
    assert client.session.takeout_id is None


async def test_channel_history_has_ids_of_its_own(
    client: TelegramClient, server: LoopbackTelegram, owner: User, alice: User
) -> None:
    channel = server.add_channel("Super", [owner, alice])
    for number in range(120):
        await server.send(alice, channel, f"post {number}")
    await client.get_dialogs()
    assert [m.id async for m in client.iter_messages(channel.chat_id, wait_time=0)] == list(range(120, 0, -1))
    assert [m.id async for m in client.iter_messages(channel.chat_id, min_id=100, reverse=True, wait_time=0)] == list(
        range(101, 121)
    )
    picked = await client.get_messages(channel.chat_id, ids=[5, 500])
    assert [message and message.raw_text for message in picked] == ["post 4", None]
    assert await client.send_read_acknowledge(channel.chat_id)
    assert server.unread(owner, channel) == 0
