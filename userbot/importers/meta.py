"""Instagram's and Messenger's JSON: one or more files per thread, newest message first.

Both write UTF-8 bytes as if each were a character; that is undone. Messenger's export of encrypted chats has other keys
and not this fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from userbot.domain.derived_ids import derive_chat_id
from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import Chat, ChatKind
from userbot.importers.meta_rows import convert_row, mend, read_sender
from userbot.importers.reading.items import Hints, Item, Owner, Truncated, gather
from userbot.importers.reading.json_stream import parse_events, parse_items
from userbot.importers.reading.names import MessageIds, choose_by_name
from userbot.importers.reading.source import Source


@dataclass(slots=True)
class _Thread:
    """A conversation with the files that hold it."""

    key: str
    title: str
    participants: list[str]
    parts: list[str] = field(default_factory=list)
    senders: Counter[str] = field(default_factory=Counter)
    truncated: Truncated | None = None


def read_instagram(source: Source, hints: Hints) -> Iterator[Item]:
    """Yield what Instagram's `message_*.json` files hold.

    Raises:
        ExportFormatError: There is no thread, or one is damaged.
        OwnerUnknownError: Neither several threads nor a title nor a hint tells who the owner is.
    """
    return _read(source, hints, "instagram")


def read_messenger(source: Source, hints: Hints) -> Iterator[Item]:
    """Yield what Messenger's files hold, plain threads and the archive of encrypted chats.

    Raises:
        ExportFormatError: There is no thread, or one is damaged.
        OwnerUnknownError: Neither several threads nor a title nor a hint tells who the owner is.
    """
    return _read(source, hints, "messenger")


def _read(source: Source, hints: Hints, name: str) -> Iterator[Item]:
    parts = [part for part in source.parts(".json") or source.parts() if _is_thread(part) or not source.is_folder]
    source.expect(parts, passes=3)
    threads = _find_threads(source, parts)
    if not threads:
        raise ExportFormatError(
            f"{source.path} holds no conversations: expected `participants` and `messages` in message_1.json. "
            f"Download your information again, format JSON, with messages ticked."
        )
    owner = _find_owner(source, threads, hints)
    yield Owner(None, owner)
    for thread in threads:
        yield from _read_thread(source, thread, name, owner)


def _is_thread(part: str) -> bool:
    return part.rsplit("/", 1)[-1].startswith("message_") or "/" not in part


def _find_threads(source: Source, parts: list[str]) -> list[_Thread]:
    threads: dict[str, _Thread] = {}
    for part in parts:
        head = _read_head(source, part)
        if head is None:
            continue
        thread = threads.setdefault(head.key, head)
        thread.parts.append(part)
        thread.truncated = thread.truncated or head.truncated
        with source.open(part) as stream:
            for row in parse_items(stream, "messages.item"):
                if sender := read_sender(row):
                    thread.senders[sender] += 1
    return list(threads.values())


def _read_head(source: Source, part: str) -> _Thread | None:
    """Read everything but the messages; None if the file is not a thread."""
    heads: dict[str, str] = {}
    participants: list[str] = []
    has_messages = whole = False
    with source.open(part) as stream:
        for prefix, event, value in parse_events(stream):
            if event == "string" and prefix in ("participants.item.name", "participants.item"):
                participants.append(mend(value))
            elif event == "string" and prefix in ("title", "thread_path", "threadName"):
                heads[prefix] = mend(value)
            has_messages |= prefix == "messages" and event == "start_array"
            whole = prefix == "" and event == "end_map"
    if not has_messages or not participants:
        return None
    truncated = None if whole else Truncated(source.size(part), part)
    encrypted = heads.get("threadName", "")
    title = heads.get("title") or encrypted.rsplit("_", 1)[0] or ", ".join(participants)
    return _Thread(heads.get("thread_path") or encrypted or title, title, participants, truncated=truncated)


def _find_owner(source: Source, threads: list[_Thread], hints: Hints) -> str:
    senders: Counter[str] = Counter()
    presence: Counter[str] = Counter()
    for thread in threads:
        senders.update(thread.senders)
        people = set(thread.participants)
        # A chat of two is titled by the contact, which tells more than any number of groups.
        presence.update(people - {thread.title} if len(people) == 2 else people)
    ranked = presence.most_common(2)
    clear = len(ranked) == 1 or (len(ranked) > 1 and ranked[0][1] > ranked[1][1])
    return choose_by_name(senders, hints, where=str(source.path), usual=ranked[0][0] if clear else None)


def _read_thread(source: Source, thread: _Thread, name: str, owner: str) -> Iterator[Item]:
    others = {*thread.participants, *thread.senders} - {owner}
    chat = Chat(
        id=derive_chat_id(name, thread.key),
        kind=ChatKind.GROUP if len(others) > 1 else ChatKind.PRIVATE,
        title=thread.title,
        source=name,
    )
    yield chat
    ids = MessageIds()
    yield from gather(convert_row(row, chat, owner, ids) for part in thread.parts for row in _read_items(source, part))
    if thread.truncated is not None:
        yield thread.truncated


def _read_items(source: Source, part: str) -> Iterator[Any]:
    with source.open(part) as stream:
        yield from parse_items(stream, "messages.item")
