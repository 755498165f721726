"""The list of chats, and an account's view of each: read state, drafts, typing."""

from __future__ import annotations

from typing import Any

from telethon.tl import functions, types

from userbot.loopback.handlers.peers import chat_id_of, given
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render
from userbot.loopback.world.state import StoredMessage

messages = functions.messages
_LIMIT_MAX = 100


@handles(messages.GetDialogsRequest)
def get_dialogs(call: Call, request: Any) -> Any:
    """Return the chats by date of their last message, pinned ones first, a page at a time."""
    if request.folder_id:
        return types.messages.Dialogs([], [], [], [])
    pinned, rest = _sorted_chats(call)
    count = len(pinned) + len(rest)
    offset = given(request.offset_date)
    if offset is not None:
        before = (offset.timestamp(), request.offset_id or 2**31)
        rest = [chat_id for chat_id in rest if _sort_key(call, chat_id) < before]
    listed = rest if request.exclude_pinned or offset is not None else pinned + rest
    page = listed[: min(request.limit or 20, _LIMIT_MAX)]
    body = _dialogs(call, page)
    return types.messages.Dialogs(**body) if len(page) == count else types.messages.DialogsSlice(count, **body)


@handles(messages.GetPinnedDialogsRequest)
def get_pinned_dialogs(call: Call, _request: Any) -> Any:
    """Return the pinned chats."""
    return types.messages.PeerDialogs(**_dialogs(call, _sorted_chats(call)[0]), state=state_of(call))


@handles(messages.GetPeerDialogsRequest)
def get_peer_dialogs(call: Call, request: Any) -> Any:
    """Return the requested chats."""
    chat_ids = [chat_id_of(call, item.peer) for item in request.peers if isinstance(item, types.InputDialogPeer)]
    return types.messages.PeerDialogs(**_dialogs(call, chat_ids), state=state_of(call))


@handles(messages.ReadHistoryRequest)
def read_history(call: Call, request: Any) -> Any:
    """Mark a private chat or basic group as read."""
    chat_id = chat_id_of(call, request.peer)
    event = call.actions.read(call.account, chat_id, max_id=request.max_id, origin=call.session)
    return types.messages.AffectedMessages(call.account.box.pts, event.pts_count if event else 0)


@handles(messages.SetTypingRequest)
def set_typing(call: Call, request: Any) -> Any:
    """Show typing, or another action, to the other side."""
    call.actions.typing(call.account, chat_id_of(call, request.peer), request.action)
    return True


@handles(messages.SaveDraftRequest)
def save_draft(call: Call, request: Any) -> Any:
    """Keep a draft and show it on the account's other devices."""
    call.actions.save_draft(call.account, chat_id_of(call, request.peer), request.message, origin=call.session)
    return True


@handles(messages.GetAllDraftsRequest)
def get_all_drafts(call: Call, _request: Any) -> Any:
    """Return all drafts as updates."""
    account = call.account
    drafts = [(chat_id, dialog) for chat_id, dialog in account.dialogs.items() if dialog.draft]
    updates = [types.UpdateDraftMessage(render.peer(chat_id), render.draft(dialog)) for chat_id, dialog in drafts]
    companions = render.companions(call.world, account, [], [chat_id for chat_id, _ in drafts])
    return types.Updates(updates, date=call.world.now(), seq=0, **companions)


@handles(messages.ToggleDialogPinRequest)
def toggle_pin(call: Call, request: Any) -> Any:
    """Pin a chat, or unpin it."""
    call.account.dialog(chat_id_of(call, request.peer.peer)).pinned = bool(request.pinned)
    return True


def state_of(call: Call) -> Any:
    """Return the account's update state, with the `seq` of the session that asks."""
    account = call.account
    unread = sum(call.world.unread(account, chat_id) for chat_id in call.world.chats_of(account))
    return types.updates.State(account.box.pts, 0, call.world.now(), call.authorization.seq, unread)


def _sorted_chats(call: Call) -> tuple[list[int], list[int]]:
    account, world = call.account, call.world
    chats = sorted(world.chats_of(account), key=lambda chat_id: _sort_key(call, chat_id), reverse=True)
    pinned = [chat_id for chat_id in chats if chat_id in account.dialogs and account.dialogs[chat_id].pinned]
    return pinned, [chat_id for chat_id in chats if chat_id not in pinned]


def _top(call: Call, chat_id: int) -> StoredMessage | None:
    box = call.world.box(call.account, chat_id)
    numbers = box.chats.get(chat_id)
    return box.messages[numbers[-1]] if numbers else None


def _sort_key(call: Call, chat_id: int) -> tuple[float, int]:
    top = _top(call, chat_id)
    return (top.date.timestamp(), top.id) if top else (0.0, 0)


def _dialogs(call: Call, chat_ids: list[int]) -> dict[str, Any]:
    account, world = call.account, call.world
    shown: list[Any] = []
    tops: list[StoredMessage] = []
    for chat_id in chat_ids:
        dialog, top = account.dialog(chat_id), _top(call, chat_id)
        tops += [top] if top else []
        shown.append(
            types.Dialog(
                peer=render.peer(chat_id),
                top_message=top.id if top else 0,
                read_inbox_max_id=dialog.read_inbox_id,
                read_outbox_max_id=dialog.read_outbox_id,
                unread_count=world.unread(account, chat_id),
                unread_mentions_count=0,
                unread_reactions_count=0,
                unread_poll_votes_count=0,
                notify_settings=types.PeerNotifySettings(),
                pinned=dialog.pinned,
                pts=world.channels[chat_id].box.pts if chat_id in world.channels else None,
                draft=render.draft(dialog) if dialog.draft_date else None,
            )
        )
    rendered = [render.message(stored, account) for stored in tops]
    return {"dialogs": shown, "messages": rendered, **render.companions(world, account, tops, chat_ids)}
