"""Input peers -> marked ids, with the access checks that Telegram makes."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from telethon.errors import RPCError
from telethon.tl import types

from userbot.loopback.handlers.registry import Call
from userbot.loopback.world.state import CHANNEL_OFFSET, User


def chat_id_of(call: Call, peer: Any) -> int:
    """Return the marked id of an InputPeer, InputUser or InputChannel.

    Raises:
        RPCError: PEER_ID_INVALID or CHANNEL_INVALID for what does not exist, or a wrong access hash.
    """
    world = call.world
    match peer:
        case types.InputPeerSelf() | types.InputUserSelf():
            return call.account.user_id
        case types.InputPeerUser() | types.InputUser():
            user = world.user(peer.user_id)
            if user is not call.account and user.access_hash != peer.access_hash:
                raise RPCError(None, "PEER_ID_INVALID", 400)
            return user.user_id
        case types.InputPeerChat():
            if -peer.chat_id not in world.groups:
                raise RPCError(None, "CHAT_ID_INVALID", 400)
            return -int(peer.chat_id)
        case types.InputPeerChannel() | types.InputChannel():
            channel = world.channels.get(CHANNEL_OFFSET - peer.channel_id)
            if channel is None or channel.access_hash != peer.access_hash:
                raise RPCError(None, "CHANNEL_INVALID", 400)
            if call.account.user_id not in channel.member_ids:
                raise RPCError(None, "CHANNEL_PRIVATE", 400)
            return channel.chat_id
    raise RPCError(None, "PEER_ID_INVALID", 400)


def user_of(call: Call, peer: Any) -> User:
    """Return the account of an InputUser or InputPeer."""
    return call.world.user(chat_id_of(call, peer))


def given(date: datetime | None) -> datetime | None:
    """Return a date parameter, or None for the zero that clients send for no date."""
    return date if date is not None and date.timestamp() > 0 else None
