"""Stored state as TL objects, as one account sees it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from loopback_bench import START, Bench
from telethon.tl import types

from userbot.loopback.world import render
from userbot.loopback.world.actions import Outgoing
from userbot.loopback.world.state import Dialog, User


def test_phone_numbers_are_shown_to_contacts_and_oneself_only(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    assert render.user(vera, owner, START).phone is None
    owner.contacts.add(vera.user_id)
    seen = render.user(vera, owner, START)
    assert (seen.phone, seen.contact, seen.mutual_contact, seen.is_self) == ("+10000000002", True, False, False)
    vera.contacts.add(owner.user_id)
    assert render.user(vera, owner, START).mutual_contact
    assert render.user(owner, owner, START).is_self


def test_a_deleted_account_has_no_name(bench: Bench) -> None:
    bench.vera.deleted = True
    assert render.user(bench.vera, bench.owner, START).first_name is None


@pytest.mark.parametrize(
    ("last_seen", "online_until", "kind"),
    [
        (None, None, types.UserStatusEmpty),
        (START, START + timedelta(minutes=5), types.UserStatusOnline),
        (START, None, types.UserStatusOffline),
        (START - timedelta(days=4), None, types.UserStatusRecently),
    ],
)
def test_status_says_when_an_account_was_last_seen(last_seen: Any, online_until: Any, kind: type) -> None:
    shown = User(1, 1, "A", last_seen=last_seen, online_until=online_until)
    assert type(render.status(shown, START + timedelta(seconds=1))) is kind


def test_private_messages_name_only_the_viewers_own_sender(bench: Bench) -> None:
    mine, _ = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))
    (theirs,) = bench.world.history(bench.vera, bench.owner.user_id)
    sent, received = render.message(mine, bench.owner), render.message(theirs, bench.vera)
    assert (sent.out, sent.from_id) == (True, types.PeerUser(bench.owner.user_id))
    assert (received.out, received.from_id) == (False, None)
    assert received.peer_id == types.PeerUser(bench.owner.user_id)


def test_a_service_message_shows_its_action(bench: Bench) -> None:
    action = types.MessageActionPinMessage()
    stored, _ = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing(action=action))
    shown = render.message(stored, bench.owner)
    assert isinstance(shown, types.MessageService)
    assert shown.action is action


def test_an_event_whose_message_is_gone_has_no_update(bench: Bench) -> None:
    stored, event = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))
    assert isinstance(render.update(bench.world, event, bench.owner), types.UpdateNewMessage)
    bench.owner.box.remove([stored.id])
    assert render.update(bench.world, event, bench.owner) is None


def test_only_plain_private_texts_have_a_short_form(bench: Bench) -> None:
    group = bench.add_group(bench.owner, bench.vera)
    private = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi"))[1]
    shared = bench.actions.send(bench.owner, group.chat_id, Outgoing("hi"))[1]
    photo = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("hi", media=types.MessageMediaPhoto()))[1]
    short = [render.short_update(render.update(bench.world, event, bench.owner)) for event in (private, shared, photo)]
    assert isinstance(short[0], types.UpdateShortMessage)
    assert short[1:] == [None, None]


def test_groups_channels_and_people_are_peers_of_their_kind(bench: Bench) -> None:
    group, channel = bench.add_group(bench.owner), bench.add_channel(bench.owner, megagroup=False)
    assert render.peer(group.chat_id) == types.PeerChat(500)
    assert render.peer(channel.chat_id) == types.PeerChannel(600)
    assert render.peer(5) == types.PeerUser(5)
    assert isinstance(render.chat(bench.world, group.chat_id), types.Chat)
    shown = render.chat(bench.world, channel.chat_id)
    assert (shown.broadcast, shown.megagroup) == (True, False)


def test_companions_are_everybody_whom_messages_name(bench: Bench) -> None:
    group, zed = bench.add_group(bench.owner, bench.vera), bench.add_user("Zed")
    header = types.MessageFwdHeader(START, from_id=types.PeerUser(zed.user_id))
    stored, _ = bench.actions.send(bench.vera, group.chat_id, Outgoing("hi", forward=header))
    companions = render.companions(bench.world, bench.owner, [stored], [bench.owner.user_id])
    assert {user.first_name for user in companions["users"]} == {"Owner", "Vera", "Zed"}
    assert [chat.title for chat in companions["chats"]] == ["Team"]


def test_an_empty_draft_is_one_of_its_own_kind() -> None:
    assert isinstance(render.draft(Dialog()), types.DraftMessageEmpty)
    assert render.draft(Dialog(draft="hm", draft_date=START)).message == "hm"
