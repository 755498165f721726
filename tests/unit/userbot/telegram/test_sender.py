"""Writing to Telegram, by real Telethon against the loopback server, and what happens when it goes wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from telegram_stage import Stage, left_over, next_event, wait_until

from userbot.domain.errors import FloodError, OfflineError, TelegramError
from userbot.domain.events import Arrived, OwnerActive
from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.reply.messenger import Messenger


@pytest.fixture
async def stage(stage: Stage) -> Stage:
    await stage.server.send(stage.vera, stage.owner, "hi")
    return stage


def texts(stage: Stage) -> list[str]:
    return [message.text for message in stage.server.conversation(stage.vera, stage.owner)]


async def test_a_bubble_is_sent_as_it_is_and_returned_as_the_clones(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        messenger: Messenger = account.messenger
        asked = stage.server.conversation(stage.owner, stage.vera)[0].id
        sent = await messenger.send(chat, " **hello** ", random_id=5, reply_to_id=asked)
        seen = stage.server.conversation(stage.owner, stage.vera)[-1]
        assert (sent.id, sent.origin, sent.text, sent.reply_to_id) == (seen.id, Origin.CLONE, "**hello**", asked)
        assert seen.text.strip() == "**hello**"
        assert seen.reply_to_id == asked


async def test_groups_and_supergroups_are_addressed_too(stage: Stage) -> None:
    group = stage.server.add_group("Team", [stage.owner, stage.vera])
    team = stage.server.add_channel("Big team", [stage.owner, stage.vera])
    async with stage.account() as account:
        for target, access_hash in ((group, None), (team, team.access_hash)):
            chat = Chat(id=target.chat_id, kind=ChatKind.GROUP, title="T", access_hash=access_hash)
            sent = await account.messenger.send(chat, "hello all", random_id=target.chat_id)
            await account.messenger.mark_read(chat, up_to_id=sent.id)
            assert stage.server.conversation(stage.vera, target)[-1].text == "hello all"
            assert (sent.chat_id, sent.origin) == (target.chat_id, Origin.CLONE)
            await account.messenger.delete(chat, [sent.id])
            assert stage.server.conversation(stage.vera, target) == []


async def test_the_same_random_id_delivers_once(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        first = await account.messenger.send(chat, "hello", random_id=5)
        again = await account.messenger.send(chat, "hello", random_id=5)
    assert (again.id, again.text, again.origin) == (first.id, "hello", Origin.CLONE)
    assert texts(stage) == ["hi", "hello"]


async def test_a_duplicate_random_id_counts_as_sent(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        first = await account.messenger.send(chat, "hello", random_id=5)
        await stage.server.send(stage.vera, stage.owner, "what?")
        # Telethon itself tries twice before it gives up.
        stage.server.faults.duplicate_random_id(calls=2)
        again = await account.messenger.send(chat, "hello", random_id=5)
    assert (again.id, again.origin) == (first.id, Origin.CLONE)
    assert texts(stage) == ["hi", "hello", "what?"]


async def test_a_flood_wait_is_handed_on_with_its_length(stage: Stage) -> None:
    chat = stage.chat()
    stage.server.faults.flood_wait("messages.sendMessage", 30)
    async with stage.account() as account:
        with pytest.raises(FloodError) as caught:
            await account.messenger.send(chat, "hello", random_id=5)
    assert caught.value.wait_s == 30
    assert 30 not in stage.naps
    assert texts(stage) == ["hi"]


async def test_a_spam_limit_tells_to_stop(stage: Stage) -> None:
    chat = stage.chat()
    stage.server.faults.peer_flood()
    async with stage.account() as account:
        with pytest.raises(TelegramError, match=r"Stop the clone \(`clone pause`\)"):
            await account.messenger.send(chat, "hello", random_id=5)


async def test_a_refusal_names_telegrams_reason(stage: Stage) -> None:
    chat = stage.chat()
    stage.server.faults.error("messages.sendMessage", "USER_IS_BLOCKED")
    async with stage.account() as account:
        with pytest.raises(TelegramError) as caught:
            await account.messenger.send(chat, "hello", random_id=5)
    assert str(caught.value) == f"Telegram refused to send a message to chat {chat.id}: UserIsBlocked."


async def test_an_imported_chat_is_found_in_the_list_of_chats(stage: Stage) -> None:
    imported = replace(stage.chat(), access_hash=None)
    async with stage.account(supervised=False) as account:
        await account.messenger.send(imported, "hello", random_id=5)
    assert texts(stage) == ["hi", "hello"]


async def test_a_chat_that_the_account_lacks_can_not_be_addressed(stage: Stage) -> None:
    unknown = Chat(id=-1_000_000_000_077, kind=ChatKind.GROUP, title="Old team")
    async with stage.account(supervised=False) as account:
        for _ in range(2):
            with pytest.raises(TelegramError) as caught:
                await account.messenger.send(unknown, "hello", random_id=5)
    assert str(caught.value) == (
        f"Chat {unknown.id} is not in this account's list of chats, so it can't be addressed. "
        f"Write there once from Telegram itself, or switch it off: clone chats deny {unknown.id}"
    )
    assert len(stage.server.calls_of("messages.getDialogs")) == 1


async def test_names_are_never_looked_up(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        await account.messenger.send(chat, "hello", random_id=5)
        await account.messenger.show_typing(chat)
    assert stage.server.calls_of("contacts.resolveUsername") == []
    assert len(stage.server.calls_of("messages.setTyping")) == 1


async def test_a_draft_never_replaces_the_owners(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        await stage.server.save_draft(stage.owner, stage.vera, "my own words")
        assert not await account.messenger.save_draft(chat, "the clone's")
        assert stage.server.draft(stage.owner, stage.vera) == "my own words"
        await stage.server.save_draft(stage.owner, stage.vera, "")
        assert await account.messenger.save_draft(chat, "the clone's")
        assert await account.messenger.save_draft(chat, "the clone's second")
        assert stage.server.draft(stage.owner, stage.vera) == "the clone's second"
        left_over(account)
        await stage.server.save_draft(stage.owner, stage.vera, "the clone's second, changed")
        assert (await next_event(account, OwnerActive)).action == "draft"
        assert not await account.messenger.save_draft(chat, "third")


async def test_a_draft_of_an_earlier_run_may_be_replaced(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        await account.messenger.save_draft(chat, "yesterday's")
    async with stage.account() as account:
        assert not await account.messenger.save_draft(chat, "today's")
    async with stage.account(own_drafts={chat.id: "yesterday's"}) as account:
        assert await account.messenger.save_draft(chat, "today's")


async def test_reading_and_deleting_reach_the_contact(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        asked = stage.server.conversation(stage.owner, stage.vera)[0].id
        await account.messenger.mark_read(chat, up_to_id=asked)
        assert stage.server.unread(stage.owner, stage.vera) == 0
        sent = await account.messenger.send(chat, "wrong", random_id=5)
        await account.messenger.delete(chat, [sent.id])
    assert texts(stage) == ["hi"]


async def test_a_lost_answer_is_repaired_by_sending_again(stage: Stage) -> None:
    chat = stage.chat()
    async with stage.account() as account:
        left_over(account)
        stage.server.faults.drop("messages.sendMessage", "after")
        with pytest.raises(OfflineError):
            await account.messenger.send(chat, "hello", random_id=5)
        await wait_until(lambda: account.state == "connected")
        # Catching up after the drop brings the message itself: it is the clone's, not the owner's.
        echo = await next_event(account, Arrived)
        again = await account.messenger.send(chat, "hello", random_id=5)
        assert (echo.message.id, echo.message.origin) == (again.id, Origin.CLONE)
    assert texts(stage) == ["hi", "hello"]


async def test_reports_go_to_saved_messages_in_pieces(stage: Stage) -> None:
    async with stage.account() as account:
        await account.messenger.notify_owner("x" * 5000)
    pieces = [message.text for message in stage.server.conversation(stage.owner, stage.owner)]
    assert [len(piece) for piece in pieces] == [4096, 920]
    assert all(piece.startswith("[clone] x") for piece in pieces)


async def test_a_picture_reaches_the_owners_saved_messages(stage: Stage, tmp_path: Path) -> None:
    picture = tmp_path / "summary.png"
    picture.write_bytes(b"\x89PNG" + bytes(200_000))
    async with stage.account() as account:
        await account.messenger.send_picture_to_owner(picture, "how it went" + "!" * 2000)

    shown = stage.server.conversation(stage.owner, stage.owner)[-1]
    assert len(shown.text) == 1024
    assert shown.sender is stage.owner
    [parts] = stage.owner.uploads.values()
    assert b"".join(parts[number] for number in sorted(parts)) == picture.read_bytes()
