"""Supergroups and broadcast channels."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from userbot.loopback.handlers.peers import chat_id_of
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render

channels = functions.channels


@handles(channels.GetChannelsRequest)
def get_channels(call: Call, request: Any) -> Any:
    """Return channels by id."""
    return types.messages.Chats([render.chat(call.world, chat_id_of(call, channel)) for channel in request.id])


@handles(channels.ReadHistoryRequest)
def read_history(call: Call, request: Any) -> Any:
    """Mark a channel as read."""
    call.actions.read(call.account, chat_id_of(call, request.channel), max_id=request.max_id, origin=call.session)
    return True


@handles(channels.DeleteMessagesRequest)
def delete_messages(call: Call, request: Any) -> Any:
    """Delete messages of a channel."""
    chat_id = chat_id_of(call, request.channel)
    event = call.actions.delete_in_channel(call.account, chat_id, request.id, origin=call.session)
    return types.messages.AffectedMessages(call.world.channels[chat_id].box.pts, event.pts_count if event else 0)
