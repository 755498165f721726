"""What people do, and what each of them then sees."""

from __future__ import annotations

import pytest
from loopback_bench import Bench, Device
from telethon.errors import RPCError
from telethon.tl import types

from userbot.loopback.world.actions import Outgoing
from userbot.loopback.world.state import EventKind, User


def texts(bench: Bench, viewer: User, chat_id: int) -> list[str]:
    return [message.text for message in bench.world.history(viewer, chat_id)]


def test_a_private_message_has_a_copy_with_an_id_of_its_own_in_each_box(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    bench.actions.send(owner, owner.user_id, Outgoing("a note"))
    mine, event = bench.actions.send(owner, vera.user_id, Outgoing("hi"))
    (theirs,) = bench.world.history(vera, owner.user_id)
    assert (mine.id, theirs.id) == (2, 1)
    assert mine.uid == theirs.uid
    assert (event.kind, event.chat_id) == (EventKind.NEW, vera.user_id)


def test_a_reply_names_each_sides_own_id(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    bench.actions.send(owner, owner.user_id, Outgoing("a note"))
    asked, _ = bench.actions.send(owner, vera.user_id, Outgoing("?"))
    bench.actions.send(owner, vera.user_id, Outgoing("again", reply_to_id=asked.id))
    assert [message.reply_to_id for message in bench.world.history(vera, owner.user_id)] == [None, 1]


def test_a_channels_message_is_in_one_box_for_all(bench: Bench) -> None:
    channel = bench.add_channel(bench.owner, bench.vera)
    bench.actions.send(bench.owner, channel.chat_id, Outgoing("hello @vera"))
    (message,) = bench.world.history(bench.vera, channel.chat_id)
    assert message.mentioned_ids == {bench.vera.user_id}
    assert bench.owner.box.messages == {}


@pytest.mark.parametrize(
    ("outgoing", "error"),
    [(Outgoing(" "), "MESSAGE_EMPTY"), (Outgoing("x" * 4097), "MESSAGE_TOO_LONG")],
)
def test_what_telegram_refuses_is_refused(bench: Bench, outgoing: Outgoing, error: str) -> None:
    with pytest.raises(RPCError, match=error):
        bench.actions.send(bench.owner, bench.vera.user_id, outgoing)


def test_nobody_writes_to_a_deleted_account(bench: Bench) -> None:
    bench.vera.deleted = True
    with pytest.raises(RPCError, match="INPUT_USER_DEACTIVATED"):
        bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))


def test_an_edit_changes_every_copy(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    sent, _ = bench.actions.send(owner, vera.user_id, Outgoing("helo"))
    bench.actions.edit(owner, vera.user_id, sent.id, text="hello")
    assert texts(bench, vera, owner.user_id) == ["hello"]
    assert bench.world.history(vera, owner.user_id)[0].edit_date is not None


@pytest.mark.parametrize(
    ("who", "message_id", "text", "error"),
    [
        ("owner", 9, "x", "MESSAGE_ID_INVALID"),
        ("vera", 1, "x", "MESSAGE_AUTHOR_REQUIRED"),
        ("owner", 1, "hi", "MESSAGE_NOT_MODIFIED"),
    ],
)
def test_only_an_own_message_can_be_changed(bench: Bench, who: str, message_id: int, text: str, error: str) -> None:
    bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))
    editor, other = (bench.owner, bench.vera) if who == "owner" else (bench.vera, bench.owner)
    with pytest.raises(RPCError, match=error):
        bench.actions.edit(editor, other.user_id, message_id, text=text)


@pytest.mark.parametrize(("revoke", "left"), [(True, []), (False, ["hi"])])
def test_a_deletion_reaches_the_other_side_if_it_is_revoked(bench: Bench, revoke: bool, left: list[str]) -> None:
    owner, vera = bench.owner, bench.vera
    sent, _ = bench.actions.send(owner, vera.user_id, Outgoing("hi"))
    assert bench.actions.delete(owner, [sent.id], revoke=revoke) is not None
    assert texts(bench, owner, vera.user_id) == []
    assert texts(bench, vera, owner.user_id) == left
    assert bench.actions.delete(owner, [sent.id], revoke=revoke) is None


def test_a_forwarded_message_names_its_origin(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    sent, _ = bench.actions.send(vera, owner.user_id, Outgoing("news"))
    ((copy, _),) = bench.actions.forward(owner, vera.user_id, [sent.id], to_id=owner.user_id)
    assert copy.text == "news"
    assert (copy.forward.from_id.user_id, copy.forward.saved_from_msg_id) == (vera.user_id, sent.id)
    with pytest.raises(RPCError, match="MESSAGE_ID_INVALID"):
        bench.actions.forward(owner, vera.user_id, [99], to_id=owner.user_id)


def test_reading_moves_the_marks_of_both_sides_once(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    for text in ("a", "b"):
        bench.actions.send(vera, owner.user_id, Outgoing(text))
    event = bench.actions.read(owner, vera.user_id)
    assert event is not None
    assert (event.kind, event.message_ids) == (EventKind.READ_INBOX, (2,))
    assert vera.dialog(owner.user_id).read_outbox_id == 2
    assert bench.actions.read(owner, vera.user_id) is None


def test_typing_reaches_the_others_and_not_oneself(bench: Bench, phone: Device, veras: Device) -> None:
    group = bench.add_group(bench.owner, bench.vera)
    action = types.SendMessageTypingAction()
    bench.actions.typing(bench.vera, bench.owner.user_id, action)
    bench.actions.typing(bench.vera, group.chat_id, action)
    assert [update.user_id for update in phone.updates(types.UpdateUserTyping)] == [bench.vera.user_id]
    assert [update.chat_id for update in phone.updates(types.UpdateChatUserTyping)] == [500]
    assert veras.messages == []


def test_a_draft_is_shown_on_the_owners_devices_only_when_it_changes(
    bench: Bench, phone: Device, veras: Device
) -> None:
    for _ in range(2):
        bench.actions.save_draft(bench.owner, bench.vera.user_id, "hm")
    assert [update.draft.message for update in phone.updates(types.UpdateDraftMessage)] == ["hm"]
    assert veras.messages == []


def test_who_has_a_chat_with_somebody_sees_them_come_online(bench: Bench, veras: Device) -> None:
    stranger = Device(bench, bench.add_user("Zed"))
    bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))
    bench.actions.appear(bench.owner, online=True)
    assert [type(update.status) for update in veras.updates(types.UpdateUserStatus)] == [types.UserStatusOnline]
    assert stranger.messages == []


def test_mentions_count_in_utf16_units(bench: Bench) -> None:
    sent, _ = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("😀 @vera"))
    assert [(entity.offset, entity.length) for entity in sent.entities] == [(3, 5)]


def test_links_are_marked_by_the_server_in_utf_16_units(bench: Bench) -> None:
    stored, _ = bench.actions.send(bench.vera, bench.owner.user_id, Outgoing("🌷 see https://example.org/a now"))
    [link] = stored.entities
    assert (type(link), link.offset, link.length) == (types.MessageEntityUrl, 7, 21)
