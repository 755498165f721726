"""Forget a chat or a person: everywhere, for good, and in a way that a crash can't leave half done.

The intention is written to the journal first (`userbot.store.forget_journal`), then everything is deleted, each step
so that it can be repeated, and the journal is marked last. `finish_forgetting` repeats what was cut short, and what a
restored copy of the database has brought back.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from userbot.config.home import HomePaths
from userbot.domain.derived_ids import HTML_SOURCE, derive_chat_id
from userbot.domain.messages import Chat, ChatKind
from userbot.domain.telegram_ids import FIRST_DERIVED_ID
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.erasure import Target
from userbot.store.facts import OWN_DRAFTS
from userbot.store.forget_journal import DraftLeft, Entry, ForgetJournal, digest_draft
from userbot.store.tombstones import EVERYBODY
from userbot.store.twins import find_twins
from userbot.trust.consent import withdraw
from userbot.trust.home_copies import (
    compact_store,
    delete_exports,
    delete_reports,
    delete_runs,
    erase_from_store,
    find_learned,
    rewrite_backups,
    scrub_session,
)
from userbot.trust.purge import find_private

OnStep = Callable[[str], None]
"""Told what is being deleted now, for the owner."""

_TELLING_NAME, _TELLING_TEXT = 4, 16
"""Characters from which on a name or a text is hardly in a file by chance."""

_SEARCHED_TEXTS = 50
_SEARCHED_BYTES = 64 * 2**20

_EXPORT_TYPES = ("personal_chat", "private_group", "private_supergroup")
"""Types under which Telegram's JSON names chats whose id it leaves out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgotten:
    """What came of it.

    Args:
        messages: Messages deleted from the database.
        reports: Reports deleted.
        exports: Exported files and folders deleted.
        rewritten: Backups written afresh without it.
        dropped: Backups that could not be, and were deleted.
        learned: Adapters that learned from it.
        busy: Runs that another process works on; they are deleted when `finish_forgetting` runs next.
        foreign: Paths of exports at which something else lies now.
        draft: A draft of the clone's is still to be cleared at Telegram.
        elsewhere: Files in the home folder that the program did not write, and that hold words of the chat.
    """

    messages: int
    reports: int
    exports: int
    rewritten: int
    dropped: int
    learned: tuple[str, ...]
    busy: tuple[str, ...]
    foreign: tuple[str, ...]
    draft: bool
    elsewhere: tuple[str, ...] = ()


def forget(
    store: Store, paths: HomePaths, chat: Chat, *, person: int = EVERYBODY, on_step: OnStep = lambda _step: None
) -> Forgotten:
    """Forget a chat, or what one member wrote in it.

    Args:
        store: The live database.
        paths: Of the home folder.
        chat: As it is stored.
        person: The member, as `userbot.store.members.member_id` names them.
        on_step: Told what is being deleted.

    Returns:
        What was deleted.

    Raises:
        StoreError: The journal can't be read.
    """
    entry = plan(store, chat, person=person)
    words = _choose_words(store, chat) if person == EVERYBODY else []
    ForgetJournal(paths.forgotten).put(entry)
    done = _carry_out(store, paths, entry, on_step)
    return replace(done, elsewhere=_search(find_private(paths).foreign, words))


def plan(store: Store, chat: Chat, *, person: int = EVERYBODY) -> Entry:
    """Return what is to be forgotten: the chat under all the ids that it has, and those that an export would give it.

    Args:
        store: Knows the chat.
        chat: The chat.
        person: One member; `EVERYBODY` for the whole chat.
    """
    same = [chat, *(twin for twin, _shared in find_twins(store, chat))]
    text = (store.facts.get(OWN_DRAFTS) or {}).get(chat.id)
    draft = DraftLeft(access_hash=chat.access_hash, digest=digest_draft(text)) if text else None
    return Entry(
        chat_id=chat.id,
        chat_ids=tuple(one.id for one in same),
        aliases=tuple(dict.fromkeys(alias for one in same for alias in list_aliases(one))),
        person_id=person,
        at=store.clock(),
        up_to_id=0 if chat.id >= FIRST_DERIVED_ID else store.messages.newest_id(chat.id),
        draft=draft if person == EVERYBODY else None,
    )


def list_aliases(chat: Chat) -> list[int]:
    """Return the ids that exports without ids would give a chat of Telegram's, by the titles that it has had."""
    if chat.source not in ("telegram", HTML_SOURCE) or chat.kind is ChatKind.SAVED:
        return []
    titles = dict.fromkeys((chat.title, *(named.name for named in chat.prompt_names)))
    return [
        alias
        for title in titles
        for alias in (
            derive_chat_id(HTML_SOURCE, title),
            *(derive_chat_id("telegram", f"{kind}/{title}") for kind in _EXPORT_TYPES),
        )
    ]


def finish_forgetting(store: Store, paths: HomePaths) -> int:
    """Repeat each forgetting that was cut short or undone by an old copy of the database; return how many there were.

    Args:
        store: The live database.
        paths: Of the home folder.
    """
    entries = ForgetJournal(paths.forgotten).read()
    if not entries:
        return 0
    standing = {(stone.chat_id, stone.person_id) for stone in store.tombstones.all()}
    open_ones = [entry for entry in entries if not entry.done or entry.key not in standing]
    for entry in open_ones:
        _carry_out(store, paths, entry, lambda _step: None)
    return len(open_ones)


def readmit(store: Store, paths: HomePaths, chat_id: int, *, person: int = EVERYBODY) -> bool:
    """Let imports and pulls bring a chat or a person back; return whether they were forgotten at all.

    Args:
        store: The live database.
        paths: Of the home folder.
        chat_id: The chat under any of its ids.
        person: One member; `EVERYBODY` for the whole chat.
    """
    journal = ForgetJournal(paths.forgotten)
    found = [
        entry
        for entry in journal.read()
        if entry.person_id == person and chat_id in (entry.chat_id, *entry.chat_ids, *entry.aliases)
    ]
    for entry in found:
        journal.remove(entry.chat_id, person=person)
    chats = {entry.chat_id for entry in found} | {chat_id}
    removed = sum(store.tombstones.remove(one, person=person) for one in chats)
    return bool(found or removed)


def _carry_out(store: Store, paths: HomePaths, entry: Entry, on_step: OnStep) -> Forgotten:
    target = Target(chat_ids=entry.chat_ids, person=entry.person_id)
    on_step("messages, answers and everything else in the database")
    store.tombstones.add(entry.tombstones())
    if entry.person_id != EVERYBODY:
        withdraw(store, entry.chat_id, member=entry.person_id, reason="the member is forgotten")
    exports, foreign = delete_exports(store, entry.chat_ids)
    messages = erase_from_store(store, target)
    on_step("training runs, reports and exports")
    busy = delete_runs(paths.runs, entry.chat_ids)
    reports = delete_reports(paths.reports, entry.chat_ids)
    scrub_session(paths.session)
    on_step("copies of the database")
    now_ms = round(store.clock().timestamp() * 1000)
    rewritten, dropped = rewrite_backups(paths.backups, target, now_ms=now_ms)
    on_step("free pages of the database")
    compact_store(store)
    ForgetJournal(paths.forgotten).put(replace(entry, done=not busy))
    return Forgotten(
        messages=messages,
        reports=reports,
        exports=exports,
        rewritten=rewritten,
        dropped=dropped,
        learned=tuple(find_learned(AdapterShelf(paths.adapters), entry.chat_ids)),
        busy=tuple(busy),
        foreign=tuple(foreign),
        draft=entry.draft is not None,
    )


def _choose_words(store: Store, chat: Chat) -> list[bytes]:
    """Return what a copy of the chat would hold: its names, and its longest messages."""
    names = [name for name in (chat.title, chat.username) if name and len(name) >= _TELLING_NAME]
    texts = (message.text for message in store.messages.history(chat.id) if len(message.text) >= _TELLING_TEXT)
    return [word.encode() for word in (*names, *heapq.nlargest(_SEARCHED_TEXTS, texts, key=len))]


def _search(files: Iterable[Path], words: list[bytes]) -> tuple[str, ...]:
    found = []
    for path in files:
        if not path.is_symlink() and path.stat().st_size <= _SEARCHED_BYTES:
            content = path.read_bytes()
            if any(word in content for word in words):
                found.append(str(path))
    return tuple(found)


def list_ids(title: str) -> list[int]:
    """Return the ids that a chat of this title has in exports that name chats by title alone.

    The name of a forgotten chat is not kept; these ids are found among its tombstones.
    """
    page = Chat(id=0, kind=ChatKind.PRIVATE, title=title)
    return [*list_aliases(page), derive_chat_id("whatsapp", title)]
