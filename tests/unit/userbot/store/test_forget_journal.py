"""Tests of the journal of forgetting."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import START

from userbot.domain.errors import StoreError
from userbot.store.forget_journal import DraftLeft, Entry, ForgetJournal, digest_draft

ENTRY = Entry(chat_id=1, chat_ids=(1, 2), aliases=(9,), at=START, up_to_id=4, draft=DraftLeft(access_hash=5, digest=6))


@pytest.fixture
def journal(tmp_path: Path) -> ForgetJournal:
    return ForgetJournal(tmp_path / "forgotten.json")


def test_entries_come_back_as_they_were_written(journal: ForgetJournal, tmp_path: Path) -> None:
    assert journal.read() == []
    journal.put(ENTRY)
    journal.put(replace(ENTRY, person_id=7, draft=None))
    journal.put(replace(ENTRY, done=True))
    assert journal.read() == [replace(ENTRY, person_id=7, draft=None), replace(ENTRY, done=True)]
    assert stat.S_IMODE((tmp_path / "forgotten.json").stat().st_mode) == 0o600


def test_removing_takes_one_entry(journal: ForgetJournal) -> None:
    journal.put(ENTRY)
    journal.put(replace(ENTRY, person_id=7))
    assert journal.remove(1, person=7) and not journal.remove(1, person=7)
    assert journal.read() == [ENTRY]


def test_a_damaged_journal_is_an_error_and_not_an_empty_one(journal: ForgetJournal, tmp_path: Path) -> None:
    (tmp_path / "forgotten.json").write_text("{")
    with pytest.raises(StoreError, match="must stay forgotten"):
        journal.read()


def test_every_id_of_the_chat_gets_a_tombstone(journal: ForgetJournal) -> None:
    stones = ENTRY.tombstones()
    assert [(one.chat_id, one.up_to_id) for one in stones] == [(1, 4), (2, 0), (9, 0)]
    assert {one.same_as for one in stones} == {1}


def test_a_draft_is_known_by_a_digest_without_regard_to_blanks_around_it() -> None:
    assert digest_draft(" hello\n") == digest_draft("hello") != digest_draft("Hello")
