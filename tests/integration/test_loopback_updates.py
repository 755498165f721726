"""Live updates, catching up, and several accounts at once on the loopback Telegram."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from telethon import TelegramClient, events
from telethon._updates.messagebox import ENTRY_ACCOUNT
from telethon.sessions import MemorySession, SQLiteSession
from telethon.tl import functions, types

from userbot.loopback import LoopbackTelegram, User, media


@dataclass
class Heard:
    """A client together with what it was sent, in order."""

    client: TelegramClient
    texts: list[str] = field(default_factory=list)
    raw: list[Any] = field(default_factory=list)
    notified: asyncio.Event = field(default_factory=asyncio.Event)

    def listen(self) -> None:
        self.client.add_event_handler(self._on_message, events.NewMessage)
        self.client.add_event_handler(self._on_raw, events.Raw)

    async def _on_message(self, event: Any) -> None:
        self.texts.append(event.raw_text)
        self.notified.set()

    async def _on_raw(self, update: Any) -> None:
        self.raw.append(update)
        self.notified.set()

    async def until(self, condition: Callable[[], object], *, timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not condition():
                self.notified.clear()
                await self.notified.wait()

    def of(self, kind: type) -> list[Any]:
        return [update for update in self.raw if isinstance(update, kind)]


Connect = Callable[..., Awaitable[Heard]]


@pytest.fixture
def owner(server: LoopbackTelegram) -> User:
    return server.add_user("Owner", phone="+10000000001", username="owner")


@pytest.fixture
def alice(server: LoopbackTelegram) -> User:
    return server.add_user("Alice", phone="+10000000002", username="alice")


@pytest.fixture
async def connect(server: LoopbackTelegram) -> AsyncIterator[Connect]:
    clients = []

    async def connect(user: User, session: Any = None, **options: Any) -> Heard:
        client = TelegramClient(session or MemorySession(), 1, "hash", sequential_updates=True, **options)
        heard = Heard(client)
        heard.listen()
        clients.append(client)
        await server.log_in(client, user)
        return heard

    yield connect
    for client in clients:
        if client.is_connected():
            await client.disconnect()


async def test_message_arrives_live_with_its_sender(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    heard = await connect(owner)
    await server.send(alice, owner, "hi")
    await server.send(alice, owner, "there")
    await heard.until(lambda: len(heard.texts) == 2)
    assert heard.texts == ["hi", "there"]
    updates = heard.of(types.UpdateNewMessage)
    assert [(update.pts, update.pts_count) for update in updates] == [(2, 1), (3, 1)]
    assert updates[0]._entities[alice.user_id].access_hash == alice.access_hash
    await heard.client.send_message(alice.user_id, "known without having asked")
    assert server.conversation(alice, owner)[-1].text == "known without having asked"


async def test_own_message_is_answered_and_not_told_back(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    here, other, hers = await connect(owner), await connect(owner), await connect(alice)
    await server.send(alice, owner, "hi")
    await here.until(lambda: here.texts)
    sent = await here.client.send_message(alice.user_id, "hello")
    await hers.until(lambda: "hello" in hers.texts)
    await other.until(lambda: "hello" in other.texts)
    assert here.texts == ["hi"]
    assert sent.id == server.conversation(owner, alice)[-1].id
    assert not server.calls_of("updates.getDifference", owner)[2:]  # one a login: nobody saw a gap


async def test_other_device_of_the_owner_is_heard(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    heard = await connect(owner)
    await server.send(alice, owner, "hi")
    await server.send(owner, alice, "from my phone")
    await server.read(owner, alice)
    await server.save_draft(owner, alice, "unfinished")
    await server.save_draft(owner, alice, "")
    await heard.until(lambda: len(heard.of(types.UpdateDraftMessage)) == 2)
    outgoing = heard.of(types.UpdateNewMessage)[1].message
    assert (outgoing.out, outgoing.message) == (True, "from my phone")
    (read,) = heard.of(types.UpdateReadHistoryInbox)
    assert (read.peer.user_id, read.max_id, read.still_unread_count) == (alice.user_id, 2, 0)
    full, empty = heard.of(types.UpdateDraftMessage)
    assert full.draft.message == "unfinished"
    assert isinstance(empty.draft, types.DraftMessageEmpty)


async def test_typing_reaches_the_other_side_only(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine, hers = await connect(owner), await connect(alice)
    await server.send(alice, owner, "hi")
    await mine.until(lambda: mine.texts)
    await server.typing(alice, owner)
    await mine.until(lambda: mine.of(types.UpdateUserTyping))
    assert mine.of(types.UpdateUserTyping)[0].user_id == alice.user_id
    async with mine.client.action(alice.user_id, "typing"):
        await hers.until(lambda: hers.of(types.UpdateUserTyping))
    assert hers.of(types.UpdateUserTyping)[0].user_id == owner.user_id
    assert len(mine.of(types.UpdateUserTyping)) == 1


async def test_reading_moves_the_ticks_of_the_writer(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine, hers = await connect(owner), await connect(alice)
    await server.send(alice, alice, "note to self")
    await server.send(alice, owner, "one")
    await server.send(alice, owner, "two")
    assert server.unread(owner, alice) == 2
    await mine.until(lambda: len(mine.texts) == 2)
    assert await mine.client.send_read_acknowledge(alice.user_id, max_id=1)
    await hers.until(lambda: hers.of(types.UpdateReadHistoryOutbox))
    (ticks,) = hers.of(types.UpdateReadHistoryOutbox)
    assert (ticks.peer.user_id, ticks.max_id) == (owner.user_id, 2)
    assert server.unread(owner, alice) == 1
    await mine.client.send_read_acknowledge(alice.user_id)
    assert server.unread(owner, alice) == 0


async def test_draft_of_a_client_is_kept_and_cleared_by_sending(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine, other = await connect(owner), await connect(owner)
    await server.send(alice, owner, "hi")
    await mine.until(lambda: mine.texts)
    peer = await mine.client.get_input_entity(alice.user_id)
    await mine.client(functions.messages.SaveDraftRequest(peer, "a suggestion"))
    await other.until(lambda: other.of(types.UpdateDraftMessage))
    assert server.draft(owner, alice) == "a suggestion"
    assert [draft.text async for draft in mine.client.iter_drafts()] == ["a suggestion"]
    assert not mine.of(types.UpdateDraftMessage)
    await mine.client.send_message(alice.user_id, "done", clear_draft=True)
    assert server.draft(owner, alice) == ""


async def test_draft_that_was_missed_is_found_by_the_gap_it_leaves(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    bob = server.add_user("Bob")
    mine = await connect(owner)
    server.faults.miss_updates(owner)
    await server.save_draft(owner, alice, "missed")
    await server.save_draft(owner, bob, "noticed")
    await mine.until(lambda: len(mine.of(types.UpdateDraftMessage)) == 2)
    assert {update.draft.message for update in mine.of(types.UpdateDraftMessage)} == {"missed", "noticed"}


async def test_own_requests_leave_no_gap_in_the_numbering(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine = await connect(owner)
    await server.send(alice, owner, "hi")
    await mine.until(lambda: mine.texts)
    asked_before = len(server.calls_of("updates.getDifference", owner))
    client, peer = mine.client, await mine.client.get_input_entity(alice.user_id)
    await client.send_read_acknowledge(peer)
    first = await client.send_message(peer, "one", clear_draft=True)
    await client.edit_message(peer, first, "two")
    await client.forward_messages("me", first)
    await client.send_message("me", "note")
    await client(functions.messages.SaveDraftRequest(peer, "draft"))
    await client.delete_messages(peer, [first.id])
    await server.send(alice, owner, "still in step")
    await mine.until(lambda: "still in step" in mine.texts)
    assert client._message_box.map[ENTRY_ACCOUNT].pts == owner.box.pts
    assert len(server.calls_of("updates.getDifference", owner)) == asked_before


async def test_edits_and_deletions_reach_both_sides(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine, hers = await connect(owner), await connect(alice)
    first = await server.send(alice, owner, "helo")
    await server.send(alice, owner, "again")
    await mine.until(lambda: len(mine.texts) == 2)
    await server.edit(alice, owner, first.id, text="hello")
    await mine.until(lambda: mine.of(types.UpdateEditMessage))
    edited = mine.of(types.UpdateEditMessage)[0].message
    assert (edited.message, edited.edit_date is None) == ("hello", False)
    answer = await mine.client.send_message(alice.user_id, "answr")
    await mine.client.edit_message(alice.user_id, answer.id, "answer")
    await hers.until(lambda: hers.of(types.UpdateEditMessage))
    assert [message.text for message in server.conversation(alice, owner)] == ["hello", "again", "answer"]
    await mine.client.delete_messages(alice.user_id, [answer.id])
    await hers.until(lambda: hers.of(types.UpdateDeleteMessages))
    await server.delete(alice, owner, [first.id], revoke=False)
    assert [message.text for message in server.conversation(owner, alice)] == ["hello", "again"]
    assert [message.text for message in server.conversation(alice, owner)] == ["again"]


async def test_forward_to_saved_messages_names_its_origin(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine = await connect(owner)
    await server.send(alice, owner, "hi")
    answer = await server.send(owner, alice, "an answer")
    await server.forward(owner, alice, [answer.id], to=owner)
    await mine.until(lambda: len(mine.texts) == 3)
    header = mine.of(types.UpdateNewMessage)[-1].message.fwd_from
    assert (header.from_id.user_id, header.saved_from_peer.user_id) == (owner.user_id, alice.user_id)
    assert header.saved_from_msg_id == answer.id
    copy = await mine.client.forward_messages("me", answer.id, alice.user_id)
    assert copy.text == "an answer"
    assert len(server.conversation(owner, owner)) == 2


@pytest.mark.parametrize(
    ("supergroup", "new", "typing"),
    [
        (False, types.UpdateNewMessage, types.UpdateChatUserTyping),
        (True, types.UpdateNewChannelMessage, types.UpdateChannelUserTyping),
    ],
)
async def test_group_message_reaches_all_members_and_marks_mentions(
    server: LoopbackTelegram,
    connect: Connect,
    owner: User,
    alice: User,
    *,
    supergroup: bool,
    new: type,
    typing: type,
) -> None:
    bob = server.add_user("Bob", phone="+10000000003")
    mine, bobs = await connect(owner), await connect(bob)
    members = [owner, alice, bob]
    group = server.add_channel("Super", members) if supergroup else server.add_group("Basic", members)
    await server.send(alice, group, "who is @owner?")
    await mine.until(lambda: mine.of(new))
    await bobs.until(lambda: bobs.of(new))
    assert (mine.of(new)[0].message.mentioned, bool(bobs.of(new)[0].message.mentioned)) == (True, False)
    sent = await mine.client.send_message(group.chat_id, "me")
    await bobs.until(lambda: len(bobs.of(new)) == 2)
    await server.send(alice, group, "I see", reply_to=server.conversation(alice, group)[-1].id)
    await mine.until(lambda: len(mine.of(new)) == 2)
    answer = mine.of(new)[-1].message
    assert (answer.mentioned, answer.reply_to.reply_to_msg_id) == (True, sent.id)
    await server.typing(alice, group)
    await mine.until(lambda: mine.of(typing))
    await mine.client.edit_message(group.chat_id, sent.id, "it is me")
    await mine.client.delete_messages(group.chat_id, [answer.id])
    assert [message.text for message in server.conversation(bob, group)] == ["who is @owner?", "it is me"]


async def test_fields_of_a_scripted_message_arrive(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine = await connect(owner)
    for attachment in (
        media.sticker("🙂"),
        media.voice(3),
        media.round_video(4),
        media.file("plan.pdf"),
        media.photo(),
    ):
        await server.send(alice, owner, "", media=attachment)
    await server.send(owner, alice, "later", fields={"from_scheduled": True})
    await mine.until(lambda: len(mine.texts) == 6)
    sticker, voice, video, document, photo, later = (update.message for update in mine.of(types.UpdateNewMessage))
    assert sticker.sticker.attributes[0].alt == "🙂"
    assert voice.voice.attributes[0].duration == 3
    assert video.video_note.attributes[0].duration == 4
    assert document.file.name == "plan.pdf"
    assert photo.photo.id
    assert later.from_scheduled


async def test_texts_can_arrive_in_telegrams_short_form(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine = await connect(owner)
    server.world.short_updates = True
    first = await server.send(alice, owner, "hi")
    await server.send(alice, owner, "there", reply_to=first.id)
    await server.send(owner, alice, "from my phone")
    await server.send(alice, owner, "", media=media.photo())
    await mine.until(lambda: len(mine.texts) == 4)
    assert mine.texts == ["hi", "there", "from my phone", ""]
    short = mine.of(types.UpdateShortMessage)
    assert [(update.user_id, bool(update.out)) for update in short] == [
        (alice.user_id, False),
        (alice.user_id, False),
        (alice.user_id, True),
    ]
    assert short[1].reply_to.reply_to_msg_id == first.id


async def test_accounts_see_each_other_and_not_each_others_chats(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    bob = server.add_user("Bob", phone="+10000000003")
    mine, hers, bobs = await connect(owner), await connect(alice), await connect(bob)
    await server.send(bob, alice, "secret")
    await server.send(bob, owner, "hi owner")
    await hers.until(lambda: hers.texts)
    await mine.until(lambda: mine.texts)
    await mine.client.send_message(bob.user_id, "hi bob")
    await bobs.until(lambda: "hi bob" in bobs.texts)
    assert (mine.texts, hers.texts, bobs.texts) == (["hi owner"], ["secret"], ["secret", "hi owner", "hi bob"])
    assert [dialog.name for dialog in await mine.client.get_dialogs()] == ["Bob"]


async def test_online_status_is_told(server: LoopbackTelegram, connect: Connect, owner: User, alice: User) -> None:
    mine = await connect(owner)
    await server.send(alice, owner, "hi")
    await server.appear(alice, online=True)
    await server.appear(owner, online=True)
    await mine.until(lambda: len(mine.of(types.UpdateUserStatus)) == 2)
    await mine.client(functions.account.UpdateStatusRequest(offline=True))
    me = await mine.client.get_me()
    assert isinstance(me.status, types.UserStatusOffline)


async def _absent_owner(path: Path, connect: Connect, owner: User, server: LoopbackTelegram, alice: User) -> str:
    session = str(path / "owner")
    heard = await connect(owner, SQLiteSession(session))
    await server.send(alice, owner, "before")
    await heard.until(lambda: heard.texts)
    await heard.client.disconnect()
    return session


async def test_catch_up_brings_what_happened_meanwhile(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User, tmp_path: Path
) -> None:
    session = await _absent_owner(tmp_path, connect, owner, server, alice)
    await server.send(alice, owner, "one")
    two = await server.send(alice, owner, "two")
    await server.delete(alice, owner, [two.id])
    three = await server.send(alice, owner, "three")
    await server.edit(alice, owner, three.id, text="tree")
    await server.save_draft(owner, alice, "typed elsewhere")
    back = await connect(owner, SQLiteSession(session), catch_up=True)
    await back.until(lambda: len(back.texts) == 2 and back.of(types.UpdateDraftMessage))
    assert back.texts == ["one", "tree"]
    await server.send(alice, owner, "live again")
    await back.until(lambda: "live again" in back.texts)
    assert back.texts == ["one", "tree", "live again"]


async def test_long_absence_is_caught_up_in_slices(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User, tmp_path: Path
) -> None:
    session = await _absent_owner(tmp_path, connect, owner, server, alice)
    server.world.difference_limit = 10
    for number in range(35):
        await server.send(alice, owner, f"message {number}")
    back = await connect(owner, SQLiteSession(session), catch_up=True)
    await back.until(lambda: len(back.texts) == 35)
    assert back.texts == [f"message {number}" for number in range(35)]
    assert len(server.calls_of("updates.getDifference")) >= 4


async def test_without_catch_up_the_absence_stays_dark(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User, tmp_path: Path
) -> None:
    session = await _absent_owner(tmp_path, connect, owner, server, alice)
    await server.send(alice, owner, "unheard")
    back = await connect(owner, SQLiteSession(session))
    await server.send(alice, owner, "heard")
    await back.until(lambda: "heard" in back.texts)
    assert back.texts == ["heard"]


async def test_channel_gap_is_filled_by_its_difference(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine = await connect(owner)
    channel = server.add_channel("Super", [owner, alice])
    await server.send(alice, channel, "one")
    await mine.until(lambda: mine.texts)
    server.faults.miss_updates(owner, count=2)
    await server.send(alice, channel, "two")
    await server.send(alice, channel, "three")
    await server.send(alice, channel, "four")
    await mine.until(lambda: len(mine.texts) == 4)
    assert sorted(mine.texts) == ["four", "one", "three", "two"]
    assert server.calls_of("updates.getChannelDifference", owner)


async def test_server_keeps_its_state_while_it_is_stopped(
    server: LoopbackTelegram, connect: Connect, owner: User, alice: User
) -> None:
    mine = await connect(owner, connection_retries=20, retry_delay=0.05)
    await server.send(alice, owner, "before")
    await mine.until(lambda: mine.texts)
    endpoint = server.endpoint
    await server.stop()
    await server.send(alice, owner, "meanwhile")
    await server.start()
    assert server.endpoint == endpoint
    await server.wait_for(lambda: server.connected(owner))
    await mine.client.catch_up()
    await mine.until(lambda: len(mine.texts) == 2)
    assert mine.texts == ["before", "meanwhile"]
