"""Configuration, users and contacts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.handlers.peers import chat_id_of, user_of
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render

# Fields that the constructor requires and that Telethon never reads.
_UNUSED_LIMITS = (
    *("chat_size_max", "megagroup_size_max", "forwarded_count_max", "online_update_period_ms", "rating_e_decay"),
    *("offline_blur_timeout_ms", "offline_idle_timeout_ms", "online_cloud_timeout_ms", "notify_cloud_delay_ms"),
    *("notify_default_delay_ms", "push_chat_period_ms", "push_chat_limit", "edit_time_limit", "revoke_time_limit"),
    *("revoke_pm_time_limit", "stickers_recent_limit", "channels_read_media_period", "call_receive_timeout_ms"),
    *("call_ring_timeout_ms", "call_connect_timeout_ms", "call_packet_timeout_ms", "caption_length_max"),
)


@handles(functions.help.GetConfigRequest)
def get_config(call: Call, _request: Any) -> Any:
    """Return a configuration whose only data centre is this server."""
    services, now = call.services, call.world.now()
    this = types.DcOption(services.dc_id, services.host, services.port, static=True)
    numbers = dict.fromkeys(_UNUSED_LIMITS, 1000)
    return types.Config(
        date=now,
        expires=now + timedelta(hours=1),
        test_mode=False,
        this_dc=services.dc_id,
        dc_options=[this],
        dc_txt_domain_name="",
        me_url_prefix="https://t.me/",
        message_length_max=4096,
        webfile_dc_id=services.dc_id,
        **numbers,
    )


@handles(functions.help.GetNearestDcRequest)
def get_nearest_dc(call: Call, _request: Any) -> Any:
    """Name this server as the nearest data centre."""
    return types.NearestDc("", call.services.dc_id, call.services.dc_id)


@handles(functions.help.GetAppConfigRequest)
def get_app_config(_call: Call, _request: Any) -> Any:
    """Return an empty client configuration."""
    return types.help.AppConfig(0, types.JsonObject([]))


@handles(functions.users.GetUsersRequest)
def get_users(call: Call, request: Any) -> Any:
    """Return users as the account sees them; unknown ones come back empty."""
    viewer, users = call.account, []
    for input_user in request.id:
        try:
            users.append(render.user(user_of(call, input_user), viewer, call.world.now()))
        except RPCError:
            users.append(types.UserEmpty(getattr(input_user, "user_id", 0)))
    return users


@handles(functions.users.GetFullUserRequest)
def get_full_user(call: Call, request: Any) -> Any:
    """Return one user with the few details that this server knows."""
    user = user_of(call, request.id)
    full = types.UserFull(user.user_id, types.PeerSettings(), types.PeerNotifySettings(), common_chats_count=0)
    return types.users.UserFull(full, [], [render.user(user, call.account, call.world.now())])


@handles(functions.contacts.GetContactsRequest)
def get_contacts(call: Call, _request: Any) -> Any:
    """Return the account's contacts."""
    account, world = call.account, call.world
    known = [world.users[number] for number in sorted(account.contacts)]
    contacts = [types.Contact(user.user_id, account.user_id in user.contacts) for user in known]
    return types.contacts.Contacts(contacts, 0, [render.user(user, account, world.now()) for user in known])


@handles(functions.contacts.ResolveUsernameRequest)
def resolve_username(call: Call, request: Any) -> Any:
    """Find a user or channel by its public name."""
    name, world = request.username.lower().removeprefix("@"), call.world
    for user in world.users.values():
        if (user.username or "").lower() == name:
            companions = render.companions(world, call.account, [], [user.user_id])
            return types.contacts.ResolvedPeer(types.PeerUser(user.user_id), **companions)
    for channel in world.channels.values():
        if (channel.username or "").lower() == name:
            companions = render.companions(world, call.account, [], [channel.chat_id])
            return types.contacts.ResolvedPeer(render.peer(channel.chat_id), **companions)
    raise RPCError(None, "USERNAME_NOT_OCCUPIED", 400)


@handles(functions.contacts.ResolvePhoneRequest)
def resolve_phone(call: Call, request: Any) -> Any:
    """Find a user by phone number."""
    for user in call.world.users.values():
        if user.phone is not None and user.phone.strip("+") == request.phone.strip("+"):
            return types.contacts.ResolvedPeer(
                types.PeerUser(user.user_id), **render.companions(call.world, call.account, [], [user.user_id])
            )
    raise RPCError(None, "PHONE_NOT_OCCUPIED", 400)


@handles(functions.messages.GetChatsRequest)
def get_chats(call: Call, request: Any) -> Any:
    """Return basic groups."""
    known = [number for number in request.id if -number in call.world.groups]
    return types.messages.Chats([render.chat(call.world, -number) for number in known])


@handles(functions.messages.GetFullChatRequest)
def get_full_chat(call: Call, request: Any) -> Any:
    """Return a basic group with its members."""
    chat_id = chat_id_of(call, types.InputPeerChat(request.chat_id))
    group = call.world.groups[chat_id]
    members = [types.ChatParticipant(number, group.member_ids[0], group.date) for number in group.member_ids]
    full = types.ChatFull(
        request.chat_id, "", types.ChatParticipants(request.chat_id, members, 1), types.PeerNotifySettings()
    )
    companions = render.companions(call.world, call.account, [], [chat_id, *group.member_ids])
    return types.messages.ChatFull(full, **companions)
