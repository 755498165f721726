"""Ingest an export: choose the reader, store in batches, count."""

from __future__ import annotations

import gc
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from userbot.domain.errors import CloneError, ExportFormatError
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.domain.plural import format_count
from userbot.importers.duplicates import describe_duplicates
from userbot.importers.reading.items import Hints, Item, Notice, Owner, Skipped, Truncated
from userbot.importers.reading.source import Progress, Source
from userbot.importers.summary import ChatRow, ImportSummary, join_summaries
from userbot.importers.telegram.html import SOURCE, is_page
from userbot.importers.units import Contents, Unit, list_units, share_progress
from userbot.store import Store
from userbot.store.facts import OWNER_ID, OWNER_NAME
from userbot.store.tombstones import EVERYBODY, Tombstone

BATCH = 5000

EARLIEST = datetime(1996, 1, 1, tzinfo=UTC)
"""The year of ICQ; no messenger that is read here is older."""

AHEAD = timedelta(days=2)
"""A message may come from a zone that is ahead, or from a clock that is somewhat wrong."""


def run_import(
    store: Store | None,
    path: Path,
    *,
    format_name: str | None,
    me: str | None,
    date_order: str | None,
    owner_id: int | None,
    progress: Progress | None,
    readmit: Callable[[int], object] | None = None,
) -> ImportSummary:
    """Import an export; see `import_file` for what is missing here.

    Args:
        store: Where to store; None in a dry run.
        path: A file, folder or zip archive.
        format_name: One of `FORMATS`; None detects it from the content.
        me: The owner as the user gave it.
        date_order: `dmy` or `mdy`; None reads it off the dates.
        owner_id: The owner's Telegram id; None asks the store.
        progress: Called with (bytes done, bytes in all).
        readmit: Takes the tombstones of a forgotten chat away when the export has it; None leaves such chats out.
    """
    path = path.expanduser()
    if is_page(path.name) and path.is_file():
        # The pages of one chat belong together, so one stands for all.
        path, format_name = path.parent, format_name or "telegram-html"
    source = Source(path, progress)
    known_name = None
    if store is not None:
        known_name = store.facts.get(OWNER_NAME)
        owner_id = store.facts.get(OWNER_ID) if owner_id is None else owner_id
    hints = Hints(me=me, owner_id=owner_id, owner_name=known_name, date_order=date_order)
    try:
        contents = list_units(source, format_name)
        return _import_all(store, source, contents, hints, progress=progress, readmit=readmit)
    finally:
        source.close()


def _import_all(
    store: Store | None,
    source: Source,
    contents: Contents,
    hints: Hints,
    *,
    progress: Progress | None,
    readmit: Callable[[int], object] | None,
) -> ImportSummary:
    """Import each export; one that can't be read is named, and does not keep the others out."""
    summaries: list[ImportSummary] = []
    failures: list[tuple[Unit, CloneError]] = []
    for number, unit in enumerate(contents.units):
        part = source.restrict(unit.parts, share_progress(progress, number, len(contents.units)))
        try:
            summaries.append(_import_one(store, part, unit, hints, readmit))
        except CloneError as exc:
            failures.append((unit, exc))
    if not summaries:
        raise failures[0][1]
    failed = tuple(f"{unit.name or unit.format}: {exc}" for unit, exc in failures)
    return join_summaries(summaries, warnings=contents.left_out, failed=failed)


def _import_one(
    store: Store | None, source: Source, unit: Unit, hints: Hints, readmit: Callable[[int], object] | None
) -> ImportSummary:
    ingestion = _Ingestion(store, readmit)
    with _paused_collection():
        ingestion.take(unit.reader(source, hints))
    if ingestion.met_forgotten:
        ids = ", ".join(map(str, sorted(ingestion.met_forgotten)))
        ingestion.warnings.append(
            f"Left out, as you had them forgotten: the chats {ids}. To take them in again, import with --readmit."
        )
    elif not ingestion.rows:
        raise ExportFormatError(f"{source.path} holds no messages. Export again with the chats that you want ticked.")
    if unit.format == "telegram":
        ingestion.remember_owner(hints.owner_id)
    if store is not None:
        ingestion.warnings += describe_duplicates(store, set(ingestion.rows))
    return ingestion.summarise(unit.format, alone=source.path.name)


@contextmanager
def _paused_collection() -> Iterator[None]:
    # Rows and messages make no cycles, and the collector would look at each of millions several times.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


@dataclass
class _Ingestion:
    """Take what a reader yields: store it in batches, and keep count."""

    store: Store | None
    readmit: Callable[[int], object] | None = None
    rows: dict[int, tuple[Chat, Counter[Origin]]] = field(default_factory=dict)
    owner: Owner | None = None
    added: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    warnings: list[str] = field(default_factory=list)
    truncated: list[Truncated] = field(default_factory=list)
    met_forgotten: set[int] = field(default_factory=set)
    forgotten: dict[tuple[int, int], Tombstone] = field(init=False)
    _known: dict[int, Chat] = field(default_factory=dict)
    _years: set[int] = field(default_factory=set)
    _latest: datetime = field(default_factory=lambda: datetime.now(UTC) + AHEAD)

    def __post_init__(self) -> None:
        """Read what must not come back."""
        stones = self.store.tombstones.all() if self.store is not None else []
        self.forgotten = {(stone.chat_id, stone.person_id): stone for stone in stones}

    def take(self, items: Iterable[Item]) -> None:
        """Store everything, in batches; what came before an error stays stored."""
        batch: list[Message] = []
        chat: Chat | None = None
        for item in items:
            if isinstance(item, list):
                item = self._drop_forgotten(chat, self._drop_implausible(item))
                if item and chat is not None:
                    rows = self._mark_clone(chat, item)
                    self._count(chat, rows)
                    if self.store is not None:
                        batch += rows
                if len(batch) >= BATCH:
                    self._store(batch)
                    batch = []
            elif isinstance(item, Chat):
                chat = item
                self._readmit(chat)
            else:
                self._note(item)
        self._store(batch)
        self._mark_own_only()
        if self._years:
            years = ", ".join(map(str, sorted(self._years)[:5]))
            self.warnings.append(
                f"Rows of the years {years} were left out: nobody wrote then. Where the phone counts years by another "
                f"calendar, set it to the Gregorian one, and export again."
            )

    def _readmit(self, chat: Chat) -> None:
        if self.readmit is not None and (chat.id, EVERYBODY) in self.forgotten:
            self.readmit(chat.id)
            self.__post_init__()

    def _drop_forgotten(self, chat: Chat | None, messages: list[Message]) -> list[Message]:
        """Leave out what the owner has forgotten: whole chats, later messages too, and people of groups."""
        if not self.forgotten:
            return messages
        if chat is not None and (chat.id, EVERYBODY) in self.forgotten:
            self.skipped["message of a forgotten chat"] += len(messages)
            self.met_forgotten.add(chat.id)
            return []
        kept = [one for one in messages if not any(stone.covers(one) for stone in self.forgotten.values())]
        if len(kept) < len(messages):
            self.skipped["message of a forgotten person"] += len(messages) - len(kept)
        return kept

    def _drop_implausible(self, messages: list[Message]) -> list[Message]:
        """Leave out messages of times in which nobody wrote: they would stand first or last for ever."""
        kept = [message for message in messages if EARLIEST <= message.sent_at <= self._latest]
        if len(kept) < len(messages):
            dropped = [message for message in messages if not EARLIEST <= message.sent_at <= self._latest]
            self.skipped["row of an implausible time"] += len(dropped)
            self._years.update(message.sent_at.year for message in dropped)
        return kept

    def remember_owner(self, owner_id: int | None) -> None:
        """Tell the store who the owner is; warn where the export belongs to somebody else.

        Args:
            owner_id: The owner that was known before; None for nobody.
        """
        owner = self.owner
        if owner is None or owner.id is None:
            return
        if owner_id is not None and owner_id != owner.id:
            self.warnings.append(
                f"This export belongs to user {owner.id}, not to the owner {owner_id} of the store: "
                f"the clone would be trained on the messages of both as the owner's."
            )
        elif self.store is not None and self.store.facts.get(OWNER_ID) is None:
            self.store.facts.set(OWNER_ID, owner.id)
            self.store.facts.set(OWNER_NAME, owner.name)

    def summarise(self, name: str, *, alone: str) -> ImportSummary:
        """Return the result.

        Args:
            name: Name of the format.
            alone: Name of the export's only file, which the text need not repeat.
        """
        chats = sorted(self.rows.values(), key=lambda row: (-row[1][Origin.OWNER], row[0].title))
        total = sum(sum(counts.values()) for _, counts in chats)
        return ImportSummary(
            format=name,
            owner_name=self.owner.name if self.owner else None,
            chats=tuple(ChatRow(chat, dict(counts)) for chat, counts in chats),
            added=self.added,
            known=total - self.added if self.store is not None else 0,
            skipped=dict(self.skipped.most_common()),
            warnings=tuple(self.warnings),
            truncated_after=_describe_end(self.truncated, total, alone=alone) if self.truncated else None,
        )

    def _mark_clone(self, chat: Chat, messages: list[Message]) -> list[Message]:
        """Mark the clone's messages in pages of HTML, whose chats have other ids than Telegram's.

        Everywhere else the store recognises them by chat and id; `userbot.reply.echo` has the whole table.
        """
        if self.store is None or chat.source != SOURCE:
            return messages
        said = self.store.messages.texts_of_clone([m.id for m in messages if m.origin is Origin.OWNER])
        known = {(number, _squeeze(text)) for number, text in said}
        return [
            replace(message, origin=Origin.CLONE)
            if message.origin is Origin.OWNER and (message.id, _squeeze(message.text)) in known
            else message
            for message in messages
        ]

    def _count(self, chat: Chat, messages: list[Message]) -> None:
        if chat.id not in self.rows:
            self._meet(chat)
        counts = self.rows[chat.id][1]
        if chat.source == SOURCE:  # the only one in which the clone may be found
            counts.update(message.origin for message in messages)
            return
        mine = [message.origin for message in messages].count(Origin.OWNER)
        counts[Origin.OWNER] += mine
        counts[Origin.CONTACT] += len(messages) - mine

    def _meet(self, chat: Chat) -> None:
        self.rows[chat.id] = (chat, Counter())
        if self.store is None:
            return
        known = self.store.chats.get(chat.id)
        if known is not None:
            self._known[chat.id] = known
        # Until its end is read, a new group counts as one without context: a crash must not leave it as training data.
        own_only = known.own_only if known else chat.kind is ChatKind.GROUP
        self.store.chats.save([replace(chat, own_only=own_only)])

    def _store(self, batch: list[Message]) -> None:
        if self.store is not None and batch:
            self.added += self.store.messages.add(batch)

    def _note(self, item: Owner | Skipped | Notice | Truncated) -> None:
        if isinstance(item, Owner):
            self.owner = item
        elif isinstance(item, Skipped):
            self.skipped[item.reason] += item.count
        elif isinstance(item, Notice):
            self.warnings.append(item.text)
        else:
            self.truncated.append(item)

    def _mark_own_only(self) -> None:
        alone = []
        for chat_id, (chat, counts) in self.rows.items():
            known = self._known.get(chat_id)
            complete_before = known is not None and not known.own_only
            own_only = chat.kind is ChatKind.GROUP and not counts[Origin.CONTACT] and bool(counts[Origin.OWNER])
            marked = replace(chat, own_only=own_only and not complete_before)
            self.rows[chat_id] = (marked, counts)
            if marked.own_only:
                alone.append(chat.title)
        if self.store is not None:
            self.store.chats.save(chat for chat, _ in self.rows.values())
        if alone:
            holds = "group holds" if len(alone) == 1 else "groups hold"
            self.warnings.append(
                f"{len(alone):,} {holds} only your messages, which can't be trained on: {', '.join(alone[:5])}. "
                f'To train on them, export again with "Only my messages" unticked.'
            )


def _describe_end(truncated: list[Truncated], messages: int, *, alone: str) -> str:
    first, more = truncated[0], len(truncated) - 1
    of = f" of {first.part}" if first.part not in ("", alone) else ""
    others = f" ({format_count(more, 'other file')} too)" if more else ""
    return f"after {format_count(messages, 'message')}, at byte {first.byte}{of}{others}"


def _squeeze(text: str) -> str:
    # A page may break lines and join spaces differently.
    return " ".join(text.split())
