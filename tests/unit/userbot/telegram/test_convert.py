"""What Telegram sends, as our values."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from telethon.tl import types

from userbot.domain.messages import ChatKind, Message, Origin
from userbot.importers.telegram.media import describe_media as describe_exported
from userbot.importers.telegram.rows import Row
from userbot.telegram.convert import describe_media, is_automatic, read_chat, read_message

ME, VERA = 1, 101
AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def raw(text: str = "hi", **fields: Any) -> Any:
    return types.Message(**{"id": 7, "peer_id": types.PeerUser(VERA), "date": AT, "message": text, **fields})


def read(text: str = "hi", **fields: Any) -> Message:
    message = read_message(raw(text, **fields), ME, entities={})
    assert message is not None
    return message


def document(*attributes: Any, **flags: Any) -> Any:
    file = types.Document(1, 2, b"", AT, "application/octet-stream", 10, 2, list(attributes))
    return types.MessageMediaDocument(document=file, **flags)


def user(**fields: Any) -> Any:
    return types.User(**{"id": VERA, "first_name": "Vera", "last_name": "Orlova", "access_hash": 9, **fields})


def channel(**fields: Any) -> Any:
    return types.Channel(**{"id": 5, "title": "Team", "photo": types.ChatPhotoEmpty(), "date": AT, **fields})


def test_private_messages_without_a_named_sender_belong_to_the_contact_or_the_owner() -> None:
    theirs, mine = read(), read(out=True)
    assert (theirs.chat_id, theirs.sender_id, theirs.origin) == (VERA, VERA, Origin.CONTACT)
    assert (mine.chat_id, mine.sender_id, mine.origin) == (VERA, ME, Origin.OWNER)


def test_group_messages_carry_the_senders_name() -> None:
    message = read_message(
        raw(peer_id=types.PeerChat(33), from_id=types.PeerUser(VERA)), ME, entities={VERA: user(), -33: None}
    )
    assert message is not None
    assert (message.chat_id, message.sender_id, message.sender_name) == (-33, VERA, "Vera Orlova")


def test_an_anonymous_admin_is_the_group_itself() -> None:
    message = read(peer_id=types.PeerChannel(5))
    assert (message.chat_id, message.sender_id, message.origin) == (
        -1_000_000_000_005,
        -1_000_000_000_005,
        Origin.CONTACT,
    )


def test_notes_to_oneself_are_the_owners() -> None:
    assert read(peer_id=types.PeerUser(ME)).origin is Origin.OWNER


def test_service_and_empty_messages_are_nothing() -> None:
    service = types.MessageService(7, types.PeerUser(VERA), action=types.MessageActionPinMessage())
    for nothing in (service, types.MessageEmpty(7, types.PeerUser(VERA)), raw("")):
        assert read_message(nothing, ME, entities={}) is None


def test_the_text_stays_as_it_was_written() -> None:
    entities = [types.MessageEntityBold(0, 4)]
    assert read("bold *text*", entities=entities).text == "bold *text*"


def test_what_others_wrote_is_marked() -> None:
    assert read(out=True, fwd_from=types.MessageFwdHeader(AT)).forwarded
    assert read(out=True, via_bot_id=3).via_bot
    assert not read(out=True).via_bot


@pytest.mark.parametrize(
    ("fields", "automatic", "own_words"),
    [
        ({}, False, True),
        ({"from_scheduled": True}, True, True),
        ({"offline": True}, True, False),
        ({"via_business_bot_id": 3}, True, False),
    ],
)
def test_what_telegram_sends_for_the_owner_does_not_show_that_they_are_there(
    fields: dict[str, Any], automatic: bool, own_words: bool
) -> None:
    message = raw(out=True, **fields)
    assert is_automatic(message) is automatic
    assert read(out=True, **fields).is_own_words is own_words


def test_an_edit_counts_unless_it_is_hidden() -> None:
    assert read(edit_date=AT).edited_at == AT
    assert read(edit_date=AT, edit_hide=True).edited_at is None


@pytest.mark.parametrize(
    ("header", "reply_to_id", "topic_id"),
    [
        (types.MessageReplyHeader(reply_to_msg_id=4), 4, None),
        (types.MessageReplyHeader(reply_to_msg_id=4, forum_topic=True), None, 4),
        (types.MessageReplyHeader(reply_to_msg_id=6, reply_to_top_id=4, forum_topic=True), 6, 4),
        (types.MessageReplyHeader(reply_to_msg_id=6, reply_to_peer_id=types.PeerUser(5)), None, None),
        (types.MessageReplyStoryHeader(types.PeerUser(5), 1), None, None),
    ],
)
def test_replies_and_topics_are_told_apart(header: Any, reply_to_id: int | None, topic_id: int | None) -> None:
    message = read(reply_to=header)
    assert (message.reply_to_id, message.topic_id) == (reply_to_id, topic_id)


@pytest.mark.parametrize(
    ("media", "exported", "placeholder"),
    [
        (types.MessageMediaPhoto(), {"photo": "a.jpg"}, "[photo]"),
        (
            document(types.DocumentAttributeAudio(7, voice=True), voice=True),
            {"media_type": "voice_message", "duration_seconds": 7},
            "[voice 0:07]",
        ),
        (
            document(types.DocumentAttributeAudio(200, title="Aria", performer="Bach")),
            {"media_type": "audio_file", "performer": "Bach", "title": "Aria", "duration_seconds": 200},
            "[audio Bach – Aria]",
        ),
        (
            document(types.DocumentAttributeVideo(12.4, 1, 1, round_message=True), round=True),
            {"media_type": "video_message", "duration_seconds": 12},
            "[video message 0:12]",
        ),
        (
            document(types.DocumentAttributeVideo(65.0, 1, 1)),
            {"media_type": "video_file", "duration_seconds": 65},
            "[video 1:05]",
        ),
        (
            document(types.DocumentAttributeVideo(2.0, 1, 1), types.DocumentAttributeAnimated()),
            {"media_type": "animation", "duration_seconds": 2},
            "[gif]",
        ),
        (
            document(types.DocumentAttributeFilename("a\n [1].pdf")),
            {"file": "files/a", "file_name": "a\n [1].pdf"},
            "[file a [1].pdf]",
        ),
        (document(), {"file": "(File not included.)"}, "[file]"),
        (
            document(types.DocumentAttributeSticker("😺", types.InputStickerSetEmpty())),
            {"media_type": "sticker", "sticker_emoji": "😺"},
            "😺",
        ),
        (
            document(types.DocumentAttributeSticker("", types.InputStickerSetEmpty())),
            {"media_type": "sticker"},
            "[sticker]",
        ),
        (types.MessageMediaGeo(types.GeoPointEmpty()), {"location_information": {"latitude": 1}}, "[location]"),
        (
            types.MessageMediaVenue(types.GeoPointEmpty(), "Café", "", "", "", ""),
            {"place_name": "Café", "location_information": {"latitude": 1}},
            "[location Café]",
        ),
        (
            types.MessageMediaGeoLive(types.GeoPointEmpty(), 60),
            {"location_information": {"latitude": 1}, "live_location_period_seconds": 60},
            "[live location]",
        ),
        (types.MessageMediaContact("+1", "A", "B", "", 1), {"contact_information": {"first_name": "A"}}, "[contact]"),
        (
            types.MessageMediaPoll(types.Poll(1, types.TextWithEntities("Pizza?", []), [], 0), types.PollResults()),
            {"poll": {"question": "Pizza?"}},
            "[poll: Pizza?]",
        ),
        (
            types.MessageMediaToDo(types.TodoList(types.TextWithEntities("Buy", []), [])),
            {"todo_list": {"title": "Buy"}},
            "[to-do: Buy]",
        ),
    ],
)
def test_an_attachment_reads_the_same_live_and_from_an_export(
    media: Any, exported: dict[str, Any], placeholder: str
) -> None:
    assert describe_media(media) == placeholder
    assert describe_exported(msgspec.convert({"id": 1, **exported}, Row)) == placeholder


@pytest.mark.parametrize(
    ("media", "placeholder"),
    [
        (None, None),
        (types.MessageMediaWebPage(types.WebPageEmpty(1)), None),
        (types.MessageMediaDice(6, "🎲"), "🎲"),
        (types.MessageMediaUnsupported(), "[attachment]"),
    ],
)
def test_what_exports_leave_out_is_described_too(media: Any, placeholder: str | None) -> None:
    assert describe_media(media) == placeholder


@pytest.mark.parametrize(
    ("entity", "kind", "title"),
    [
        (user(), ChatKind.PRIVATE, "Vera Orlova"),
        (user(id=ME), ChatKind.SAVED, "Saved Messages"),
        (user(bot=True), ChatKind.BOT, "Vera Orlova"),
        (user(id=777000), ChatKind.SERVICE, "Vera Orlova"),
        (user(deleted=True, first_name=None, last_name=None), ChatKind.SERVICE, "Deleted Account"),
        (user(support=True), ChatKind.SERVICE, "Vera Orlova"),
        (types.Chat(33, "Team", types.ChatPhotoEmpty(), 2, AT, 1), ChatKind.GROUP, "Team"),
        (channel(megagroup=True), ChatKind.GROUP, "Team"),
        (channel(broadcast=True), ChatKind.CHANNEL, "Team"),
        (channel(megagroup=True, monoforum=True), ChatKind.CHANNEL, "Team"),
        (types.ChannelForbidden(5, 1, "Team", megagroup=True), ChatKind.GROUP, "Team"),
    ],
)
def test_only_people_and_groups_are_conversations(entity: Any, kind: ChatKind, title: str) -> None:
    chat = read_chat(entity, ME)
    assert (chat.kind, chat.title) == (kind, title)


def test_a_chat_keeps_what_addresses_it() -> None:
    chat = read_chat(user(username="vera"), ME)
    assert (chat.id, chat.access_hash, chat.username) == (VERA, 9, "vera")
    assert read_chat(user(min=True), ME).access_hash is None
    assert read_chat(channel(megagroup=True, access_hash=4), ME).id == -1_000_000_000_005
    assert read_chat(user(usernames=[types.Username("old"), types.Username("new", active=True)]), ME).username == "new"
