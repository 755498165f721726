"""What happens on Telegram, as events: by real Telethon against the loopback server."""

from __future__ import annotations

from telegram_stage import Stage, left_over, next_event, next_texts, wait_until
from telethon.tl import types

from userbot.domain.events import Arrived, ContactTyping, Deleted, Edited, OwnerActive, OwnerOnline
from userbot.domain.messages import ChatKind, Origin
from userbot.telegram.connection import ConnectionState


async def test_messages_come_in_order_with_their_chat(stage: Stage) -> None:
    async with stage.account() as account:
        for number in range(20):
            await stage.server.send(stage.vera, stage.owner, str(number))
        first = await next_event(account, Arrived)
        assert (first.chat.id, first.chat.kind, first.chat.title, first.chat.access_hash) == (
            stage.vera.user_id,
            ChatKind.PRIVATE,
            "Vera Orlova",
            stage.vera.access_hash,
        )
        assert (first.message.text, first.message.origin) == ("0", Origin.CONTACT)
        assert await next_texts(account, 19) == [str(number) for number in range(1, 20)]


async def test_what_came_while_away_is_caught_up_with_once(stage: Stage) -> None:
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "before")
        assert await next_texts(account, 1) == ["before"]
    await stage.server.send(stage.vera, stage.owner, "while away")
    await stage.server.send(stage.vera, stage.owner, "and again")
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "after")
        assert await next_texts(account, 3) == ["while away", "and again", "after"]
        assert left_over(account) == []


async def test_a_dropped_connection_comes_back_and_catches_up(stage: Stage) -> None:
    async with stage.account() as account:
        await stage.server.stop()
        await stage.server.send(stage.vera, stage.owner, "while away")
        await wait_until(lambda: stage.states.count(ConnectionState.CONNECTING) > 1)
        await stage.server.start()
        assert await next_texts(account, 1) == ["while away"]
        await wait_until(lambda: account.state == "connected")
    assert stage.states[:4] == ["connecting", "catching up", "connected", "disconnected"]
    assert stage.states[-3:] == ["catching up", "connected", "disconnected"]


async def test_the_owner_on_another_device_is_noticed(stage: Stage) -> None:
    await stage.server.send(stage.vera, stage.owner, "hi")
    async with stage.account() as account:
        await stage.server.read(stage.owner, stage.vera)
        assert await next_event(account, OwnerActive) == OwnerActive(chat_id=stage.vera.user_id, action="read")
        await stage.server.save_draft(stage.owner, stage.vera, "I think")
        assert await next_event(account, OwnerActive) == OwnerActive(chat_id=stage.vera.user_id, action="draft")
        await stage.server.send(stage.owner, stage.vera, "from my phone")
        written = await next_event(account, Arrived)
        assert (written.message.origin, written.message.chat_id) == (Origin.OWNER, stage.vera.user_id)
        assert not written.automatic
        await stage.server.appear(stage.owner, online=True)
        assert await next_event(account, OwnerOnline) == OwnerOnline(online=True)
        await stage.server.appear(stage.owner, online=False)
        assert await next_event(account, OwnerOnline) == OwnerOnline(online=False)


async def test_what_the_clone_does_is_not_taken_for_the_owner(stage: Stage) -> None:
    await stage.server.send(stage.vera, stage.owner, "hi")
    chat = stage.chat()
    async with stage.account() as account:
        left_over(account)
        await account.messenger.mark_read(chat, up_to_id=stage.server.conversation(stage.owner, stage.vera)[-1].id)
        await account.messenger.show_typing(chat)
        assert await account.messenger.save_draft(chat, "maybe")
        await account.messenger.send(chat, "hello", random_id=5)
        await account.messenger.notify_owner("a report")
        await stage.server.send(stage.vera, stage.owner, "the end")
        assert (await next_event(account, Arrived)).message.text == "the end"
        assert left_over(account) == []


async def test_typing_is_reported_until_it_stops(stage: Stage) -> None:
    group = stage.server.add_group("Team", [stage.owner, stage.vera])
    async with stage.account() as account:
        await stage.server.typing(stage.vera, stage.owner)
        assert await next_event(account, ContactTyping) == ContactTyping(chat_id=stage.vera.user_id)
        await stage.server.typing(stage.vera, stage.owner, stop=True)
        await stage.server.typing(stage.vera, group)
        assert await next_event(account, ContactTyping) == ContactTyping(chat_id=group.chat_id)


async def test_edits_and_deletions_are_told(stage: Stage) -> None:
    team = stage.server.add_channel("Team", [stage.owner, stage.vera])
    async with stage.account() as account:
        sent = await stage.server.send(stage.vera, stage.owner, "helo")
        arrived = (await next_event(account, Arrived)).message
        await stage.server.edit(stage.vera, stage.owner, sent.id, text="hello")
        edited = (await next_event(account, Edited)).message
        assert (edited.id, edited.text) == (arrived.id, "hello")
        assert edited.edited_at is not None
        await stage.server.delete(stage.vera, stage.owner, [sent.id])
        assert await next_event(account, Deleted) == Deleted(message_ids=(arrived.id,), chat_id=None)
        posted = await stage.server.send(stage.vera, team, "oops")
        await stage.server.delete(stage.vera, team, [posted.id])
        assert await next_event(account, Deleted) == Deleted(message_ids=(posted.id,), chat_id=team.chat_id)


async def test_a_mention_in_a_group_is_marked(stage: Stage) -> None:
    group = stage.server.add_group("Team", [stage.owner, stage.vera])
    async with stage.account() as account:
        await stage.server.send(stage.vera, group, "hello all")
        await stage.server.send(stage.vera, group, "@owner what do you think?")
        plain, mention = await next_event(account, Arrived), await next_event(account, Arrived)
        assert (plain.mentions_owner, mention.mentions_owner) == (False, True)
        assert (mention.chat.kind, mention.chat.title) == (ChatKind.GROUP, "Team")
        assert (mention.message.sender_id, mention.message.sender_name) == (stage.vera.user_id, "Vera Orlova")


async def test_attachments_arrive_as_placeholders(stage: Stage) -> None:
    async with stage.account() as account:
        await stage.server.send(stage.vera, stage.owner, "", media=types.MessageMediaContact("", "A", "B", "", 1))
        assert (await next_event(account, Arrived)).message.content == "[contact]"


async def test_strangers_bots_and_service_accounts_come_with_what_they_are(stage: Stage) -> None:
    bot = stage.server.add_user("Helper", bot=True)
    service = stage.server.add_user("Telegram", user_id=777000)
    news = stage.server.add_channel("News", [stage.owner, stage.vera], megagroup=False)
    async with stage.account() as account:
        await stage.server.send(bot, stage.owner, "/start")
        await stage.server.send(service, stage.owner, "Login code: 1")
        await stage.server.send(stage.vera, news, "news")
        kinds = [(await next_event(account, Arrived)).chat.kind for _ in range(3)]
        assert kinds == [ChatKind.BOT, ChatKind.SERVICE, ChatKind.CHANNEL]
