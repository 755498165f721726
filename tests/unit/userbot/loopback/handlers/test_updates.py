"""Catching up after an absence."""

from __future__ import annotations

from typing import Any

from loopback_bench import START, Bench, Device
from telethon.tl import functions, types

from userbot.loopback.world.actions import Outgoing


def difference(phone: Device, pts: int = 1, **fields: Any) -> Any:
    return phone.call(functions.updates.GetDifferenceRequest(pts, START, 0, **fields))


def say(bench: Bench, *texts: str) -> None:
    for text in texts:
        bench.actions.send(bench.vera, bench.owner.user_id, Outgoing(text))


def test_the_state_is_the_boxs_number(bench: Bench, phone: Device) -> None:
    say(bench, "a", "b")
    state = phone.call(functions.updates.GetStateRequest())
    assert (state.pts, state.unread_count) == (3, 2)


def test_nothing_has_happened_means_an_empty_difference(phone: Device) -> None:
    assert isinstance(difference(phone), types.updates.DifferenceEmpty)


def test_a_difference_brings_messages_other_updates_and_drafts(bench: Bench, phone: Device) -> None:
    say(bench, "a", "b")
    bench.actions.read(bench.owner, bench.vera.user_id)
    bench.actions.save_draft(bench.owner, bench.vera.user_id, "hm")
    answer = difference(phone)
    assert [message.message for message in answer.new_messages] == ["a", "b"]
    assert [type(update) for update in answer.other_updates] == [
        types.UpdateReadHistoryInbox,
        types.UpdateDraftMessage,
    ]
    assert [user.first_name for user in answer.users] == ["Vera"]
    assert [message.message for message in difference(phone, pts=2).new_messages] == ["b"]


def test_own_drafts_are_not_told_back(bench: Bench, phone: Device) -> None:
    bench.actions.save_draft(bench.owner, bench.vera.user_id, "hm", origin=phone.session)
    assert isinstance(difference(phone), types.updates.DifferenceEmpty)


def test_a_long_difference_comes_in_slices(bench: Bench, phone: Device) -> None:
    bench.world.difference_limit = 2
    say(bench, "a", "b", "c")
    first = difference(phone)
    assert isinstance(first, types.updates.DifferenceSlice)
    rest = difference(phone, pts=first.intermediate_state.pts)
    assert isinstance(rest, types.updates.Difference)
    assert [message.message for message in rest.new_messages] == ["c"]


def test_a_difference_can_be_too_long(bench: Bench, phone: Device) -> None:
    bench.owner.too_long_differences = 1
    assert isinstance(difference(phone), types.updates.DifferenceEmpty), "there is nothing that could be too long"
    say(bench, "a", "b")
    assert difference(phone).pts == 3
    assert isinstance(difference(phone), types.updates.Difference)
    assert isinstance(difference(phone, pts_total_limit=1), types.updates.DifferenceTooLong)


def test_a_message_that_is_gone_leaves_its_deletion_only(bench: Bench, phone: Device) -> None:
    sent, _ = bench.actions.send(bench.owner, bench.vera.user_id, Outgoing("oops"))
    bench.actions.delete(bench.owner, [sent.id], revoke=True)
    answer = difference(phone)
    assert answer.new_messages == []
    assert [type(update) for update in answer.other_updates] == [types.UpdateDeleteMessages]


def test_channels_have_differences_of_their_own(bench: Bench, phone: Device) -> None:
    channel = bench.add_channel(bench.owner, bench.vera)
    peer = types.InputChannel(600, channel.access_hash)

    def ask(pts: int, limit: int = 100) -> Any:
        no_filter = types.ChannelMessagesFilterEmpty()
        return phone.call(functions.updates.GetChannelDifferenceRequest(peer, no_filter, pts, limit))

    assert isinstance(ask(1), types.updates.ChannelDifferenceEmpty)
    for text in ("a", "b"):
        bench.actions.send(bench.vera, channel.chat_id, Outgoing(text))
    part, whole = ask(1, limit=1), ask(1)
    assert ([message.message for message in part.new_messages], part.final) == (["a"], False)
    assert ([message.message for message in whole.new_messages], whole.final) == (["a", "b"], True)
