"""Tests of forgetting; `tests/integration/test_forgetting.py` searches every byte of a home folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from fakes import START, bubble

from userbot.config.home import HomePaths
from userbot.domain.derived_ids import HTML_SOURCE, derive_chat_id
from userbot.domain.messages import Chat, ChatKind, Message
from userbot.importers import import_file
from userbot.store import Store
from userbot.store.forget_journal import ForgetJournal
from userbot.store.members import member_id
from userbot.store.runs import RunFolder
from userbot.trust import forget as forgetting
from userbot.trust.forget import finish_forgetting, forget, list_aliases, list_ids, plan, readmit

VERA = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera Orlova")
WHATSAPP = """[05.01.26, 10:00:00] Anna: salut
[05.01.26, 10:00:05] Me: hello
[06.02.26, 10:00:05] Anna: later than forgotten
"""


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    return HomePaths(tmp_path / "home")


def test_every_export_of_the_chat_finds_it_forgotten(store: Store, paths: HomePaths) -> None:
    page = Chat(id=derive_chat_id(HTML_SOURCE, "Vera"), kind=ChatKind.PRIVATE, title="Vera", source=HTML_SOURCE)
    store.chats.save([VERA, page])
    store.messages.add([bubble(1, "a"), bubble(1, "a", chat_id=page.id)])
    forget(store, paths, VERA)
    assert store.chats.all() == []
    expected = {101, page.id, *list_aliases(VERA)}
    assert expected <= set(store.tombstones.forgotten_chats())
    assert store.messages.add([bubble(1, "a", chat_id=derive_chat_id(HTML_SOURCE, "Vera Orlova"))]) == 0


def test_an_import_leaves_a_forgotten_chat_out_with_later_messages_and_says_so(
    store: Store, paths: HomePaths, tmp_path: Path
) -> None:
    export = tmp_path / "WhatsApp Chat with Anna.txt"
    export.write_text(WHATSAPP)
    assert import_file(store, export, me="Me").added >= 2
    [chat] = store.chats.all()
    forget(store, paths, chat)
    again = import_file(store, export, me="Me")
    assert again.added == 0 and store.chats.all() == []
    assert sum(again.skipped.values()) >= 2 and "--readmit" in again.warnings[0] and str(chat.id) in again.warnings[0]
    told = import_file(store, export, me="Me", readmit=lambda chat_id: readmit(store, paths, chat_id))
    assert told.added >= 2 and [one.id for one in store.chats.all()] == [chat.id]
    assert store.tombstones.all() == [] and ForgetJournal(paths.forgotten).read() == []


def test_a_member_is_left_out_of_imports_and_updates(store: Store, paths: HomePaths) -> None:
    def by(number: int, sender: int) -> Message:
        return replace(bubble(number, f"by {sender}", at_s=number), sender_id=sender, sender_name=f"n{sender}")

    group = Chat(id=-5, kind=ChatKind.GROUP, title="Hike")
    store.chats.save([group])
    store.messages.add([replace(by(1, 7), chat_id=-5), replace(by(2, 8), chat_id=-5)])
    assert forget(store, paths, group, person=7).messages == 1
    assert store.messages.add([replace(by(3, 7), chat_id=-5), replace(by(4, 8), chat_id=-5)]) == 1
    assert [one.text for one in store.messages.window(-5, limit=9)] == ["by 8", "by 8"]
    assert readmit(store, paths, -5, person=7)
    assert store.messages.add([replace(by(3, 7), chat_id=-5)]) == 1


def test_undo_finds_a_chat_by_any_of_its_ids_and_only_what_is_forgotten(store: Store, paths: HomePaths) -> None:
    store.chats.save([VERA])
    forget(store, paths, VERA)
    assert not readmit(store, paths, 555)
    assert any(readmit(store, paths, one) for one in list_ids("Vera Orlova"))
    assert store.tombstones.all() == [] and finish_forgetting(store, paths) == 0


def test_a_training_that_does_not_end_is_named_and_its_samples_go_at_the_next_start(
    store: Store, paths: HomePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("userbot.trust.home_copies.RUN_WAIT_S", 0.2)
    store.chats.save([VERA])
    run = RunFolder.create(paths.runs, START)
    (run.path / "samples").write_text("words")
    with run.claim():
        assert forget(store, paths, VERA).busy == (run.id,)
        assert not ForgetJournal(paths.forgotten).read()[0].done
    assert finish_forgetting(store, paths) == 1
    assert not run.path.exists() and ForgetJournal(paths.forgotten).read()[0].done


def test_nothing_is_deleted_before_the_intention_is_written(
    store: Store, paths: HomePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.chats.save([VERA])

    def check(*_arguments: object) -> None:
        assert [one.chat_id for one in ForgetJournal(paths.forgotten).read()] == [101]
        raise KeyboardInterrupt

    monkeypatch.setattr(forgetting, "erase_from_store", check)
    with pytest.raises(KeyboardInterrupt):
        forget(store, paths, VERA)


def test_the_plan_remembers_the_draft_by_its_digest_alone(store: Store) -> None:
    from userbot.store.facts import OWN_DRAFTS

    store.chats.save([replace(VERA, access_hash=5)])
    store.facts.set(OWN_DRAFTS, {101: "my draft"})
    entry = plan(store, replace(VERA, access_hash=5))
    assert entry.draft is not None and entry.draft.access_hash == 5 and "my draft" not in repr(entry)
    assert plan(store, VERA, person=member_id(None, "x")).draft is None


def test_a_file_of_the_owners_own_with_words_of_the_chat_is_named_and_kept(store: Store, paths: HomePaths) -> None:
    store.chats.save([VERA])
    store.messages.add([bubble(1, "a rather long message of hers")])
    copy, other = paths.home / "copy.txt", paths.home / "other.txt"
    copy.write_text("saved: a rather long message of hers")
    other.write_text("nothing")
    assert forget(store, paths, VERA).elsewhere == (str(copy),)
    assert copy.exists() and other.exists()
