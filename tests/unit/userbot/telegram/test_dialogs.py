"""The list of chats."""

from __future__ import annotations

from telegram_stage import Stage

from userbot.domain.messages import ChatKind


async def test_the_list_of_chats_is_read_with_what_addresses_them(stage: Stage) -> None:
    team = stage.server.add_channel("Team", [stage.owner, stage.vera])
    await stage.server.send(stage.vera, stage.owner, "hi")
    await stage.server.send(stage.owner, stage.owner, "a note")
    async with stage.account(supervised=False) as account:
        chats = {chat.id: chat for chat in await account.dialogs()}
    assert {chat.title: chat.kind for chat in chats.values()} == {
        "Vera Orlova": ChatKind.PRIVATE,
        "Saved Messages": ChatKind.SAVED,
        "Team": ChatKind.GROUP,
    }
    assert chats[team.chat_id].access_hash == team.access_hash
    [said] = stage.server.conversation(stage.vera, stage.owner)
    assert chats[stage.vera.user_id].last_message_at == said.date
