"""Writing: send, forward, edit, delete."""

from __future__ import annotations

from typing import Any

from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.handlers.peers import chat_id_of, given
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render
from userbot.loopback.world.actions import Outgoing
from userbot.loopback.world.state import Event, StoredMessage

messages = functions.messages


@handles(messages.SendMessageRequest)
def send_message(call: Call, request: Any) -> Any:
    """Send a text; for a `random_id` seen before, return the original message instead. Nothing can be scheduled."""
    if given(request.schedule_date) is not None:
        raise RPCError(None, "SCHEDULE_DATE_INVALID", 400)
    reply_to = request.reply_to.reply_to_msg_id if isinstance(request.reply_to, types.InputReplyToMessage) else None
    outgoing = Outgoing(
        request.message,
        reply_to_id=reply_to,
        entities=tuple(request.entities or ()),
        fields={"silent": bool(request.silent)},
    )
    return send(call, request, outgoing)


def send(call: Call, request: Any, outgoing: Outgoing) -> Any:
    """Send a message, once for each `random_id`.

    Args:
        call: The request being carried out.
        request: SendMessage or SendMedia.
        outgoing: The message.

    Returns:
        The TL object that Telegram answers with.
    """
    account, chat_id = call.account, chat_id_of(call, request.peer)
    repeated = _repeated(call, [request.random_id])
    if repeated is not None:
        return repeated
    stored, event = call.actions.send(account, chat_id, outgoing, origin=call.session)
    account.sent[request.random_id] = (chat_id, stored.id)
    if request.clear_draft:
        call.actions.save_draft(account, chat_id, "", origin=call.session)
    if chat_id < 0 or chat_id == account.user_id:
        return _sent(call, [(request.random_id, stored, event)])
    return types.UpdateShortSentMessage(
        stored.id, event.pts, event.pts_count, stored.date, out=True, entities=stored.entities or None
    )


@handles(messages.ForwardMessagesRequest)
def forward_messages(call: Call, request: Any) -> Any:
    """Copy messages to another chat with a note of where they come from."""
    account = call.account
    from_id, to_id = chat_id_of(call, request.from_peer), chat_id_of(call, request.to_peer)
    repeated = _repeated(call, request.random_id)
    if repeated is not None:
        return repeated
    copies = call.actions.forward(account, from_id, request.id, to_id=to_id, origin=call.session)
    done = [(random_id, *copy) for random_id, copy in zip(request.random_id, copies, strict=True)]
    for random_id, stored, _ in done:
        account.sent[random_id] = (to_id, stored.id)
    return _sent(call, done)


@handles(messages.EditMessageRequest)
def edit_message(call: Call, request: Any) -> Any:
    """Change an own message for both sides."""
    chat_id = chat_id_of(call, request.peer)
    stored, event = call.actions.edit(
        call.account, chat_id, request.id, text=request.message or "", origin=call.session
    )
    update = render.update(call.world, event, call.account)
    return _updates(call, [update], [stored])


@handles(messages.DeleteMessagesRequest)
def delete_messages(call: Call, request: Any) -> Any:
    """Delete messages, with `revoke` for both sides."""
    event = call.actions.delete(call.account, request.id, revoke=bool(request.revoke), origin=call.session)
    return types.messages.AffectedMessages(call.account.box.pts, event.pts_count if event else 0)


def _repeated(call: Call, random_ids: list[int]) -> Any | None:
    """Return the original messages if these ids were used before, with a pts_count of 0: nothing new has happened."""
    account, world = call.account, call.world
    if not random_ids or not all(random_id in account.sent for random_id in random_ids):
        return None
    if world.duplicate_failures:
        world.duplicate_failures -= 1
        raise RPCError(None, "RANDOM_ID_DUPLICATE", 500)
    updates: list[Any] = []
    shown = []
    for random_id in random_ids:
        chat_id, number = account.sent[random_id]
        box = world.box(account, chat_id)
        updates.append(types.UpdateMessageID(number, random_id))
        if number in box.messages:
            stored = box.messages[number]
            kind = types.UpdateNewChannelMessage if chat_id in world.channels else types.UpdateNewMessage
            updates.append(kind(render.message(stored, account), box.pts, 0))
            shown.append(stored)
    return _updates(call, updates, shown)


def _sent(call: Call, done: list[tuple[int, StoredMessage, Event]]) -> Any:
    updates: list[Any] = []
    for random_id, stored, event in done:
        updates += [types.UpdateMessageID(stored.id, random_id), render.update(call.world, event, call.account)]
    return _updates(call, updates, [stored for _, stored, _ in done])


def _updates(call: Call, updates: list[Any], stored: list[StoredMessage]) -> Any:
    companions = render.companions(call.world, call.account, stored)
    return types.Updates(updates, date=call.world.now(), seq=0, **companions)
