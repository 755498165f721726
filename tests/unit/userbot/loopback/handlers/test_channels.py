"""Supergroups and broadcast channels by API request."""

from __future__ import annotations

from loopback_bench import Bench, Device
from telethon.tl import functions, types

from userbot.loopback.world.actions import Outgoing

channels = functions.channels


def test_a_channel_is_shown_read_and_cleaned(bench: Bench, phone: Device, veras: Device) -> None:
    channel = bench.add_channel(bench.owner, bench.vera)
    peer = types.InputChannel(600, channel.access_hash)
    sent, _ = bench.actions.send(bench.vera, channel.chat_id, Outgoing("hello"))
    assert [chat.title for chat in phone.call(channels.GetChannelsRequest([peer])).chats] == ["Big"]
    assert phone.call(channels.ReadHistoryRequest(peer, sent.id)) is True
    assert bench.world.unread(bench.owner, channel.chat_id) == 0
    gone = phone.call(channels.DeleteMessagesRequest(peer, [sent.id, 99]))
    assert (gone.pts, gone.pts_count) == (channel.box.pts, 1)
    assert [update.messages for update in veras.updates(types.UpdateDeleteChannelMessages)] == [[sent.id]]
    assert phone.call(channels.DeleteMessagesRequest(peer, [sent.id])).pts_count == 0
