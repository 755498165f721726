"""Commands on data: what an import shows, and what is decided about chats."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from command_line import Clone

from userbot.cli.data import SHOWN_CHATS, show_summary
from userbot.domain.errors import ChatNotFoundError, ConfigError, ExportTruncatedError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin
from userbot.importers import ChatRow, ImportSummary
from userbot.store import Store

EXPORT = """{"personal_information": {"user_id": 7, "first_name": "Lev"}, "chats": {"list": [
 {"name": "Vera", "type": "personal_chat", "id": 101, "messages": [
  {"id": 1, "type": "message", "date": "2026-01-05T12:00:00", "date_unixtime": "1767614400", "from": "Vera",
   "from_id": "user101", "text": "hi", "text_entities": [{"type": "plain", "text": "hi"}]},
  {"id": 2, "type": "message", "date": "2026-01-05T12:01:00", "date_unixtime": "1767614460", "from": "Lev",
   "from_id": "user7", "text": "hey", "text_entities": [{"type": "plain", "text": "hey"}]}]}]}}"""


def _summary(count: int, **values: object) -> ImportSummary:
    rows = tuple(
        ChatRow(
            chat=Chat(id=number, kind=ChatKind.PRIVATE, title=f"Chat {number}", own_only=number == 1),
            counts={Origin.OWNER: 1200, Origin.CONTACT: 1},
        )
        for number in range(1, count + 1)
    )
    known: dict[str, object] = {
        "format": "telegram-json", "owner_name": "Lev", "chats": rows, "added": 5, "known": 2, "skipped": {},
        "warnings": (), "truncated_after": None,
    }  # fmt: skip
    return ImportSummary(**{**known, **values})  # type: ignore[arg-type]  # a test's shorthand


@pytest.mark.usefixtures("home")
def test_summary_shows_chats_skipped_rows_and_notes(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(_summary(1, skipped={"service message": 1}, warnings=("one chat was there twice",)))
    captured = capsys.readouterr()
    assert "telegram-json: the export of Lev" in captured.out
    assert "only your messages: not for training" in captured.out
    assert "1,201 messages in 1 chat: 5 new, 2 known before." in captured.out
    assert "Skipped: 1 service message." in captured.out
    assert captured.err == "Note: one chat was there twice\n"


@pytest.mark.usefixtures("home")
def test_long_summary_is_cut_and_a_dry_run_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    show_summary(_summary(SHOWN_CHATS + 3), dry_run=True)
    out = capsys.readouterr().out
    assert "… and 3 more" in out and f"Chat {SHOWN_CHATS + 1}" not in out
    assert "nothing stored (--dry-run)" in out


def test_export_that_ends_early_is_stored_and_refused(clone: Clone, home: Path, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(EXPORT[:-80], "utf-8")
    with pytest.raises(ExportTruncatedError, match="What was complete is stored"):
        clone("import", str(path))
    with Store.open(home / "clone.db") as store:
        assert store.messages.count() == 1


def test_import_stores_the_chats_and_knows_them_the_second_time(clone: Clone, tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    path.write_text(EXPORT, "utf-8")
    assert "2 messages in 1 chat: 2 new, 0 known before." in clone("import", str(path))
    assert "0 new, 2 known before" in clone("import", str(path))


def test_empty_list_says_what_brings_chats(clone: Clone, store: Store) -> None:
    assert "`clone import FILE` or `clone login` brings them" in clone("chats", "list")
    assert "`clone chats allow CHAT` adds one" in clone("chats", "list", "--allowed")


def test_list_shows_mode_pause_and_consent(clone: Clone, store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=-5, kind=ChatKind.GROUP, title="Club"), Chat(id=6, kind=ChatKind.BOT, title="Robot")])
    store.chats.set_mode(friend.id, Mode.AUTO)
    store.chats.pause(friend.id, store.clock() + timedelta(days=36_500))
    store.consents.give(friend.id, by="Vera, by phone")
    rows = {line.split()[1]: line for line in clone("chats", "list").splitlines() if line.startswith("│")}
    assert "auto, paused until you resume" in rows["101"] and "Vera, by phone" in rows["101"]
    assert "(group)" in rows["-5"] and "no consent" in rows["-5"] and "never" in rows["6"]
    assert "Club" not in clone("chats", "list", "--allowed")


@pytest.mark.parametrize(("verb", "mode"), [("allow", Mode.AUTO), ("draft", Mode.DRAFT), ("deny", Mode.OFF)])
def test_modes_are_set_for_every_named_chat(clone: Clone, store: Store, friend: Chat, verb: str, mode: Mode) -> None:
    store.chats.save([Chat(id=102, kind=ChatKind.PRIVATE, title="Ann")])
    clone("chats", verb, "@vera", "102", answers="y\n")
    assert [chat.mode for chat in store.chats.all()] == [mode, mode]


def test_mistyped_name_changes_nothing(clone: Clone, store: Store, friend: Chat) -> None:
    with pytest.raises(ChatNotFoundError):
        clone("chats", "consent", "Vera", "Boris", "--by", "them")
    with pytest.raises(ConfigError, match="--by is empty"):
        clone("chats", "consent", "Vera", "--by", " ")
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.consent_at is None


def test_consent_is_recorded_and_withdrawn(clone: Clone, store: Store, friend: Chat) -> None:
    said = clone("chats", "consent", "Vera", "--by", "Vera herself", "--yes")
    assert said == "Consent for Vera (id 101, @vera) recorded.\n"
    out = clone("chats", "withdraw", "Vera")
    assert out.startswith("Consent for Vera (id 101, @vera) withdrawn.\n") and "stops automatically" in out
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.consent_at is None


def test_words_about_a_contact_are_kept_and_forgotten(clone: Clone, store: Store, friend: Chat) -> None:
    assert clone("chats", "about", "Vera", "my sister") == "Vera (id 101, @vera): my sister.\n"
    assert clone("chats", "about", "Vera", "") == "Vera (id 101, @vera): forgotten.\n"
    chat = store.chats.get(friend.id)
    assert chat is not None and chat.relationship is None
