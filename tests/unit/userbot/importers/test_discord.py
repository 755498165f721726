"""Discord's channels."""

from __future__ import annotations

from datetime import UTC, datetime

from fixtures.exports.loading import EXPORTS, load

from userbot.domain.messages import ChatKind, Origin
from userbot.store import Store


def test_discord_direct_messages(store: Store) -> None:
    summary, messages = load(store, EXPORTS / "discord" / "direct.json")
    assert (summary.format, summary.owner_name) == ("discord", "olga")
    assert [(m.id, m.origin, m.content, m.reply_to_id) for m in messages] == [
        (1001, Origin.CONTACT, "hi", None),
        (1002, Origin.OWNER, "hello", 1001),
        (1003, Origin.CONTACT, "[file plan.pdf]", None),
        (1005, Origin.OWNER, "[sticker Wave]", None),
    ]
    assert messages[1].edited_at == datetime(2023, 11, 14, 22, 15, tzinfo=UTC)
    assert dict(summary.skipped) == {"service message": 1}


def test_discord_server_channel(store: Store) -> None:
    summary, messages = load(store, EXPORTS / "discord" / "server.json", me="olga")
    assert (summary.chats[0].chat.title, summary.chats[0].chat.kind) == ("Test Server: general", ChatKind.GROUP)
    assert [m.sender_name for m in messages] == ["pavel", "olga", "helper", "rita"]
