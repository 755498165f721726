"""Catching up after an absence."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from userbot.loopback.handlers.dialogs import state_of
from userbot.loopback.handlers.peers import chat_id_of
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render
from userbot.loopback.world.state import Event, EventKind, StoredMessage, User

_CHANNEL_LIMIT_MAX = 100


@handles(functions.updates.GetStateRequest)
def get_state(call: Call, _request: Any) -> Any:
    """Return the state of the account's updates."""
    return state_of(call)


@handles(functions.updates.GetDifferenceRequest)
def get_difference(call: Call, request: Any) -> Any:
    """Return what happened since the client's pts, in slices of the world's `difference_limit` events."""
    account, world = call.account, call.world
    pending = account.box.since(request.pts)
    too_many = request.pts_total_limit is not None and len(pending) > request.pts_total_limit
    if pending and (account.too_long_differences or too_many):
        account.too_long_differences = max(0, account.too_long_differences - 1)
        return types.updates.DifferenceTooLong(account.box.pts)
    drafts = _drafts_since(call, request.date)
    if not pending and not drafts:
        return types.updates.DifferenceEmpty(world.now(), call.authorization.seq)
    page = pending[: world.difference_limit]
    body, stored, chat_ids = _changes(call, account, page)
    last = len(page) == len(pending)
    if last:
        body["other_updates"] += [
            types.UpdateDraftMessage(render.peer(chat_id), render.draft(account.dialog(chat_id))) for chat_id in drafts
        ]
        chat_ids += drafts
    body |= render.companions(world, account, stored, chat_ids)
    state = state_of(call)
    if last:
        return types.updates.Difference(**body, new_encrypted_messages=[], state=state)
    state.pts = page[-1].pts
    return types.updates.DifferenceSlice(**body, new_encrypted_messages=[], intermediate_state=state)


@handles(functions.updates.GetChannelDifferenceRequest)
def get_channel_difference(call: Call, request: Any) -> Any:
    """Return what happened in a channel since the client's pts."""
    chat_id = chat_id_of(call, request.channel)
    box = call.world.channels[chat_id].box
    pending = box.since(request.pts)
    if not pending:
        return types.updates.ChannelDifferenceEmpty(box.pts, final=True)
    page = pending[: min(request.limit, _CHANNEL_LIMIT_MAX)]
    body, stored, chat_ids = _changes(call, call.account, page)
    companions = render.companions(call.world, call.account, stored, chat_ids)
    final = len(page) == len(pending)
    return types.updates.ChannelDifference(page[-1].pts, **body, **companions, final=final)


def _changes(call: Call, account: User, page: list[Event]) -> tuple[dict[str, Any], list[StoredMessage], list[int]]:
    """Split events into new messages, as they are now, and other updates; add the messages and chats that they name."""
    new: list[Any] = []
    other: list[Any] = []
    stored: list[StoredMessage] = []
    for event in page:
        update = render.update(call.world, event, account)
        if update is None:
            continue
        if event.kind in (EventKind.NEW, EventKind.EDIT):
            stored.append(call.world.box(account, event.chat_id).messages[event.message_ids[0]])
        if event.kind is EventKind.NEW:
            new.append(update.message)
        else:
            other.append(update)
    named = [event.chat_id for event in page if event.kind is not EventKind.DELETE]
    return {"new_messages": new, "other_updates": other}, stored, named


def _drafts_since(call: Call, date: Any) -> list[int]:
    """Return the chats whose drafts another device has changed since the client's date, which has whole seconds."""
    log = call.account.drafts_log
    changed = (
        chat_id for changed_at, chat_id, by in log if date and changed_at >= date and by is not call.authorization
    )
    return list(dict.fromkeys(changed))
