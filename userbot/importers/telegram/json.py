"""Telegram Desktop's JSON of every era: a full account, or a single chat."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence

from userbot.domain.derived_ids import derive_chat_id
from userbot.domain.errors import ExportFormatError
from userbot.domain.messages import Chat, ChatKind
from userbot.domain.telegram_ids import SERVICE_IDS
from userbot.importers.reading.items import Hints, Item, Notice, Owner, Skipped, Truncated
from userbot.importers.reading.source import Source
from userbot.importers.telegram.ids import KINDS, is_shifted, mark_chat, mark_sender
from userbot.importers.telegram.layout import Event, has_layout, read_layout
from userbot.importers.telegram.messages import DELETED, ChatRows
from userbot.importers.telegram.owner import OwnerRule, choose_owner, find_owner, take_survey
from userbot.importers.telegram.rows import Account, ChatHead, Row
from userbot.importers.telegram.stream import read_heads, read_stream

_SNIFF_BYTES = 64


def read_telegram(source: Source, hints: Hints) -> Iterator[Item]:
    """Yield what a `result.json` holds. The owner is found as the era allows; see `owner.py`.

    Raises:
        ExportFormatError: The file is damaged, or holds no chats.
        OwnerUnknownError: Nothing tells who the owner is, as in a single group without a hint.
    """
    part = _find_part(source)
    events = _open_events(source, part)
    beginning = events()
    account, head = next(beginning, None), next(beginning, None)
    if not isinstance(account, Account) or not isinstance(head, ChatHead):
        raise ExportFormatError(
            f"{source.where(part)} holds no chats: expected a list of chats with messages. "
            f'Export again with "Personal chats" ticked, format JSON.'
        )
    rule = find_owner(account, head, hints)
    if rule is None:
        source.expect([part], passes=2)
        rule = choose_owner(take_survey(events()), hints, source.where(part))
    beginning.close()
    yield from _Conversion(rule).read(events())


class _Conversion:
    """Turn events into chats and messages, with one rule on who the owner is."""

    def __init__(self, rule: OwnerRule) -> None:
        self._rule = rule
        self._owner: Owner | None = None
        self._shifted: bool | None = None
        self._local_times = False

    def read(self, events: Iterator[Event]) -> Iterator[Item]:
        """Yield what the events hold; empty chats are left out."""
        head = ChatHead()
        chat: ChatRows | None = None
        for event in events:
            if isinstance(event, list):
                if chat is None:
                    described = self._describe(head, event)
                    if described is None:
                        yield Skipped("row of a chat of an unknown kind", len(event))
                        continue
                    chat = ChatRows(described, self._rule)
                    yield described
                yield chat.convert(event)
            elif isinstance(event, ChatHead):
                yield from self._finish(chat)
                head, chat = event, None
            elif isinstance(event, Skipped | Truncated):
                yield event
        yield from self._finish(chat)
        yield from self._conclude()

    def _describe(self, head: ChatHead, rows: Sequence[Row]) -> Chat | None:
        kind = KINDS.get(head.type or "")
        if kind is None:
            return None
        if self._shifted is None:
            self._shifted = is_shifted(rows)
        chat_id = mark_chat(head, shifted=self._shifted)
        if chat_id in SERVICE_IDS:
            kind = ChatKind.SERVICE
        title = head.name or _UNNAMED.get(head.type or "", DELETED)
        if kind is ChatKind.PRIVATE:
            # The chat has the first name only; the rows have the full one.
            title = next((row.from_ for row in rows if row.from_ and mark_sender(row.from_id) == chat_id), title)
        return Chat(id=chat_id or derive_chat_id("telegram", f"{head.type}/{title}"), kind=kind, title=title)

    def _finish(self, chat: ChatRows | None) -> Iterator[Item]:
        if chat is None:
            return
        for reason, count in chat.skipped.items():
            yield Skipped(reason, count)
        self._owner = self._owner or chat.owner
        self._local_times |= chat.local_times

    def _conclude(self) -> Iterator[Item]:
        owner = self._owner or Owner(self._rule.id, None)
        yield Owner(owner.id, self._rule.name or owner.name)
        if self._local_times:
            yield Notice(
                "Rows without a unix time (exports made before June 2022) were read as times of this computer's zone."
            )


_UNNAMED = {
    "saved_messages": "Saved Messages",
    "replies": "Replies",
    "verification_codes": "Verification Codes",
    "private_group": "Group without a name",
    "private_supergroup": "Group without a name",
    "public_supergroup": "Group without a name",
    "private_channel": "Channel without a name",
    "public_channel": "Channel without a name",
}


def _find_part(source: Source) -> str:
    parts = source.parts(".json") or source.parts()
    return next((part for part in parts if part.rsplit("/", 1)[-1] == "result.json"), parts[0])


def _open_events(source: Source, part: str) -> Callable[[], Generator[Event, None, None]]:
    fast = has_layout(source.head(part, _SNIFF_BYTES))
    source.expect([part], passes=1 if fast else 2)
    if fast:
        return lambda: _read_whole(source, part)
    with source.open(part) as stream:
        account, heads = read_heads(stream)

    def read() -> Generator[Event, None, None]:
        with source.open(part) as stream:
            yield from read_stream(stream, account, heads)

    return read


def _read_whole(source: Source, part: str) -> Generator[Event, None, None]:
    with source.open(part) as stream:
        yield from read_layout(stream)
