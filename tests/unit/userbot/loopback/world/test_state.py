"""What the server remembers: boxes with their numbers, and who belongs where."""

from __future__ import annotations

import pytest
from loopback_bench import START, Bench
from telethon.errors import RPCError

from userbot.loopback.world.state import Box, EventKind, StoredMessage, id_of


def filled(count: int = 3) -> Box:
    box = Box()
    for number in range(1, count + 1):
        box.add(StoredMessage(number, number * 10, 5, 1, str(number), START))
    return box


def test_each_change_has_its_number_and_deletions_count_once_per_message() -> None:
    box = filled(3)
    assert (box.pts, box.last_id) == (4, 3)
    event = box.record(EventKind.DELETE, 5, [1, 2])
    assert (event.pts, event.pts_count) == (6, 2)
    assert [item.kind for item in box.since(3)] == [EventKind.NEW, EventKind.DELETE]
    assert box.since(6) == []


def test_removed_messages_are_gone_from_every_index() -> None:
    box = filled(3)
    assert [message.id for message in box.remove([2, 99])] == [2]
    assert box.chats[5] == [1, 3]
    assert set(box.by_uid) == {10, 30}
    assert box.remove([2]) == []


def test_members_are_told_with_the_writer_first(bench: Bench) -> None:
    world, owner, vera = bench.world, bench.owner, bench.vera
    group = bench.add_group(vera, owner)
    assert world.members(owner, group.chat_id) == [owner, vera]
    assert world.members(owner, vera.user_id) == [owner, vera]
    assert world.members(owner, owner.user_id) == [owner]


@pytest.mark.parametrize(("chat_id", "text"), [(-1, "CHAT_ID_INVALID"), (-500, "CHANNEL_PRIVATE")])
def test_chat_of_others_has_no_members_for_a_stranger(bench: Bench, chat_id: int, text: str) -> None:
    bench.add_group(bench.vera)
    with pytest.raises(RPCError, match=text):
        bench.world.members(bench.owner, chat_id)


def test_unknown_account_is_an_invalid_peer(bench: Bench) -> None:
    with pytest.raises(RPCError, match="PEER_ID_INVALID"):
        bench.world.user(9)


def test_channels_share_a_box_and_accounts_have_their_own(bench: Bench) -> None:
    channel = bench.add_channel(bench.owner, bench.vera)
    assert bench.world.box(bench.owner, channel.chat_id) is bench.world.box(bench.vera, channel.chat_id)
    assert bench.world.box(bench.owner, bench.vera.user_id) is bench.owner.box


def test_only_messages_of_others_count_as_unread(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    for number, sender in enumerate((vera, owner, vera), 1):
        owner.box.add(StoredMessage(number, number, vera.user_id, sender.user_id, "x", START))
    assert bench.world.unread(owner, vera.user_id) == 2
    owner.dialog(vera.user_id).read_inbox_id = 1
    assert bench.world.unread(owner, vera.user_id) == 1


def test_chats_are_those_with_messages_drafts_or_membership(bench: Bench) -> None:
    owner, vera = bench.owner, bench.vera
    group, channel = bench.add_group(owner), bench.add_channel(owner)
    bench.add_group(vera)
    owner.dialog(vera.user_id).draft = "hm"
    assert set(bench.world.chats_of(owner)) == {vera.user_id, group.chat_id, channel.chat_id}


def test_targets_are_given_as_objects_or_ids(bench: Bench) -> None:
    assert id_of(bench.vera) == bench.vera.user_id
    assert id_of(bench.add_group()) == -500
    assert id_of(7) == 7
