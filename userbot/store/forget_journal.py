"""The journal of forgetting, `<home>/forgotten.json`: what is to be forgotten, written down before anything is deleted.

A forgetting that was cut short is found here and finished. And as the file is no part of the database, an old copy of
that which somebody puts back is noticed: it lacks the tombstones, and the chats are forgotten again. The file holds
ids, times and digests; no name, no word.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from pathlib import Path
from typing import Any

from userbot.domain.derived_ids import digest
from userbot.domain.errors import StoreError
from userbot.store.adapters import write_json
from userbot.store.tombstones import EVERYBODY, Tombstone


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftLeft:
    """A draft of the clone's that is still in a chat's box at Telegram.

    Args:
        access_hash: Addresses the chat, which the store no longer knows.
        digest: Of its text, so that the owner's own draft is not taken for it.
    """

    access_hash: int | None
    digest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One forgetting.

    Args:
        chat_id: The chat.
        chat_ids: All ids that it has in the store, `chat_id` among them.
        aliases: Further ids that exports would give it.
        person_id: The member that is forgotten; `EVERYBODY` for the whole chat.
        at: Aware time; messages up to then don't come back.
        up_to_id: Newest message id of Telegram's.
        done: Everything is deleted.
        draft: What is still to be cleared at Telegram.
    """

    chat_id: int
    chat_ids: tuple[int, ...]
    aliases: tuple[int, ...] = ()
    person_id: int = EVERYBODY
    at: datetime
    up_to_id: int = 0
    done: bool = False
    draft: DraftLeft | None = None

    @property
    def key(self) -> tuple[int, int]:
        """Return what the entry is about: chat and person."""
        return self.chat_id, self.person_id

    def tombstones(self) -> list[Tombstone]:
        """Return the tombstones that belong to it; ids of one export say nothing of the order in another."""
        return [
            Tombstone(
                chat_id=one,
                person_id=self.person_id,
                same_as=self.chat_id,
                forgotten_at=self.at,
                up_to_id=self.up_to_id if one == self.chat_id else 0,
            )
            for one in dict.fromkeys((*self.chat_ids, *self.aliases))
        ]


def digest_draft(text: str) -> int:
    """Return what stands for a draft's text in the journal."""
    return digest(text.strip(), 62)


class ForgetJournal:
    """Reads and writes the journal.

    Args:
        path: `<home>/forgotten.json`; may be missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> list[Entry]:
        """Return all entries, oldest first.

        Raises:
            StoreError: The file can't be read.
        """
        try:
            stored = json.loads(self._path.read_text("utf-8"))
            return [_read_entry(values) for values in stored["forgotten"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError, KeyError) as exc:
            raise StoreError(
                f"{self._path} can't be read ({type(exc).__name__}), so it is not known what must stay forgotten. "
                f"Restore the file, or delete it and forget these chats again: clone forget CHAT"
            ) from exc

    def put(self, entry: Entry) -> None:
        """Write an entry in place of the one on the same chat and person."""
        others = [one for one in self.read() if one.key != entry.key]
        self._write([*others, entry])

    def remove(self, chat_id: int, *, person: int = EVERYBODY) -> bool:
        """Remove an entry; return whether there was one."""
        entries = self.read()
        left = [one for one in entries if one.key != (chat_id, person)]
        if len(left) < len(entries):
            self._write(left)
        return len(left) < len(entries)

    def _write(self, entries: Sequence[Entry]) -> None:
        write_json(self._path, {"forgotten": [_write_entry(entry) for entry in entries]})


def _write_entry(entry: Entry) -> dict[str, Any]:
    return {**asdict(entry), "at": entry.at.isoformat()}


def _read_entry(values: dict[str, Any]) -> Entry:
    known = {field.name: values[field.name] for field in fields(Entry) if field.name in values}
    draft = known.get("draft")
    return Entry(
        **{
            **known,
            "chat_ids": tuple(known["chat_ids"]),
            "aliases": tuple(known.get("aliases", ())),
            "at": datetime.fromisoformat(known["at"]),
            "draft": None if draft is None else DraftLeft(**draft),
        }
    )
