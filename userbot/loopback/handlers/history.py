"""Reading messages: history with all its paging parameters, single messages, search.

Source for the paging: core.telegram.org/api/offsets.
"""

from __future__ import annotations

from bisect import bisect_left
from typing import Any

from telethon.errors import RPCError
from telethon.tl import functions, types

from userbot.loopback.handlers.peers import chat_id_of, given
from userbot.loopback.handlers.registry import Call, handles
from userbot.loopback.world import render
from userbot.loopback.world.state import Box, StoredMessage

_LIMIT_DEFAULT = 20
_LIMIT_MAX = 100


@handles(functions.messages.GetHistoryRequest)
def get_history(call: Call, request: Any) -> Any:
    """Return a page of a chat, newest first."""
    chat_id = _readable(call, request.peer)
    box = call.world.box(call.account, chat_id)
    return _page(call, chat_id, box.chats.get(chat_id, []), request)


@handles(functions.messages.SearchRequest)
def search(call: Call, request: Any) -> Any:
    """Search a chat, or with an empty peer all chats, by text, sender and date; other filters find nothing."""
    everywhere = isinstance(request.peer, types.InputPeerEmpty)
    chat_id = call.account.user_id if everywhere else _readable(call, request.peer)
    box = call.world.box(call.account, chat_id)
    candidates = list(box.messages.values()) if everywhere else call.world.history(call.account, chat_id)
    sender_id = None if request.from_id is None else chat_id_of(call, request.from_id)
    earliest, latest = given(request.min_date), given(request.max_date)
    if not isinstance(request.filter, types.InputMessagesFilterEmpty):
        candidates = []
    numbers = [
        item.id
        for item in candidates
        if (sender_id is None or item.sender_id == sender_id)
        and request.q.lower() in item.text.lower()
        and (earliest is None or item.date > earliest)
        and (latest is None or item.date < latest)
    ]
    return _page(call, chat_id, numbers, request)


@handles(functions.messages.GetMessagesRequest)
def get_messages(call: Call, request: Any) -> Any:
    """Return messages of private chats and basic groups by id; those that are gone come back empty."""
    return types.messages.Messages(**_picked(call, call.account.box.messages, request), topics=[])


@handles(functions.channels.GetMessagesRequest)
def get_channel_messages(call: Call, request: Any) -> Any:
    """Return messages of a channel by id."""
    box = call.world.channels[chat_id_of(call, request.channel)].box
    body = _picked(call, box.messages, request)
    return types.messages.ChannelMessages(box.pts, len(body["messages"]), topics=[], **body)


def _readable(call: Call, peer: Any) -> int:
    chat_id = chat_id_of(call, peer)
    if (
        chat_id < 0
        and chat_id in call.world.groups
        and call.account.user_id not in call.world.groups[chat_id].member_ids
    ):
        raise RPCError(None, "CHAT_ID_INVALID", 400)
    return chat_id


def _picked(call: Call, stored: dict[int, StoredMessage], request: Any) -> dict[str, Any]:
    numbers = [item.id if isinstance(item, types.InputMessageID) else item for item in request.id]
    numbers = [number for number in numbers if isinstance(number, int)]
    picked = [stored[number] for number in numbers if number in stored]
    shown = [
        render.message(stored[number], call.account) if number in stored else types.MessageEmpty(number, None)
        for number in numbers
    ]
    return {"messages": shown, **render.companions(call.world, call.account, picked)}


def _page(call: Call, chat_id: int, numbers: list[int], request: Any) -> Any:
    """Cut a page out of ascending ids, newest first: by the offsets, then by the id limits on what is left."""
    box = call.world.box(call.account, chat_id)
    limit = min(request.limit or _LIMIT_DEFAULT, _LIMIT_MAX)
    newest = len(numbers) - _offset(box, numbers, request) - request.add_offset
    chosen = numbers[max(newest - limit, 0) : max(newest, 0)][::-1]
    if request.max_id:
        chosen = [number for number in chosen if number < request.max_id]
    if request.min_id:
        chosen = [number for number in chosen if number > request.min_id]
    page = [box.messages[number] for number in chosen]
    body = {
        "messages": [render.message(item, call.account) for item in page],
        "topics": [],
        **render.companions(call.world, call.account, page, [chat_id]),
    }
    if chat_id in call.world.channels:
        return types.messages.ChannelMessages(box.pts, len(numbers), **body)
    if len(page) == len(numbers):
        return types.messages.Messages(**body)
    return types.messages.MessagesSlice(len(numbers), **body)


def _offset(box: Box, numbers: list[int], request: Any) -> int:
    """Return how many messages lie before the page's zero point; an id goes before a date."""
    if request.offset_id:
        return len(numbers) - bisect_left(numbers, request.offset_id)
    date = given(getattr(request, "offset_date", None))
    return 0 if date is None else sum(box.messages[number].date >= date for number in numbers)
