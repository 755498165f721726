"""Encrypting a home and back: every file whole, nothing readable after, nothing lost when it fails."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from encrypted_homes import PASSPHRASE, find_word, make_derivation_cheap, name_passphrase
from fakes import START, bubble

from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS
from userbot.daemon.housekeeping import back_up
from userbot.domain.errors import PassphraseError, StoreError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store
from userbot.store.connection import find_key, is_plain
from userbot.store.encryption import decrypt_home, encrypt_home, is_encrypted, list_plain
from userbot.store.erasure import Target
from userbot.trust.home_copies import rewrite_backups, update_backups

WORD = "umbrella"
HOLDER = """
import sys, pathlib
from userbot.store import Store
with Store.open(pathlib.Path(sys.argv[1])) as store:
    print(store.messages.count(), flush=True)
    sys.stdin.read()
    print(store.messages.count())
"""


def ignore(done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HomePaths:
    """A home with a database, a session, a backup, and a schedule."""
    make_derivation_cheap(monkeypatch)
    name_passphrase(tmp_path, monkeypatch)
    paths = HomePaths(tmp_path / "home")
    with Store.open(paths.database) as store:
        store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")])
        store.messages.add([bubble(number, f"{WORD} {number}") for number in range(1, 300)])
    for path in (paths.session, paths.schedule):
        with closing(sqlite3.connect(path)) as other:
            other.execute("CREATE TABLE keys (word TEXT)")
            other.execute("INSERT INTO keys VALUES (?)", (WORD if path == paths.session else "job",))
            other.execute("PRAGMA user_version = 7")
            other.commit()
    back_up(paths.database, paths.backups, now=START, keep=3)
    return paths


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as opened:
        # Sorted: the copy may name its indexes in another order.
        return [*sorted(opened.iterdump()), str(opened.execute("PRAGMA user_version").fetchone())]


def test_there_and_back_gives_the_same_rows_and_no_word_can_be_read_between(paths: HomePaths) -> None:
    files = [paths.database, paths.session, *paths.backups.glob("*.db")]
    before = [dump(path) for path in files]
    assert len(find_word(paths.home, WORD)) == len(files) == 3

    assert sorted(encrypt_home(paths, PASSPHRASE, progress=ignore).files) == sorted(files)

    assert find_word(paths.home, WORD) == [] and find_word(paths.home, "Vera") == []
    assert is_encrypted(paths) and list_plain(paths) == [] and is_plain(paths.schedule)
    assert {path.stat().st_mode & 0o777 for path in (*files, paths.encryption)} == {0o600}
    with Store.open(paths.database) as store:
        assert store.messages.count() == 299
    assert encrypt_home(paths, PASSPHRASE, progress=ignore).files == ()

    assert sorted(decrypt_home(paths, PASSPHRASE, progress=ignore).files) == sorted(files)

    assert [dump(path) for path in files] == before
    assert not is_encrypted(paths) and not paths.encryption.exists()
    assert sorted(path.name for path in paths.home.iterdir()) == [
        "backups",
        "clone.db",
        "schedule.db",
        "telegram.session",
    ]


def test_words_that_only_the_log_holds_are_encrypted_too(paths: HomePaths) -> None:
    with closing(sqlite3.connect(paths.database)) as killed:
        killed.execute("PRAGMA wal_autocheckpoint = 0")
        killed.execute("UPDATE chats SET title = 'latecomer'")
        killed.commit()
        kept = {path: path.read_bytes() for path in paths.home.glob("clone.db*")}
    for path, content in kept.items():  # as SIGKILL leaves them
        path.write_bytes(content)
    assert "clone.db-wal" in find_word(paths.home, "latecomer")

    encrypt_home(paths, PASSPHRASE, progress=ignore)

    assert find_word(paths.home, "latecomer") == find_word(paths.home, WORD) == []
    with Store.open(paths.database) as store:
        assert [chat.title for chat in store.chats.all()] == ["latecomer"]


def test_backup_of_an_encrypted_database_is_encrypted_and_opens_anywhere(paths: HomePaths, tmp_path: Path) -> None:
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    copy = back_up(paths.database, paths.backups, now=START, keep=9)
    assert find_word(paths.home, WORD) == []
    elsewhere = tmp_path / "new home" / "clone.db"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes(copy.read_bytes())
    KEYS.forget()
    with Store.open(elsewhere) as store:
        assert store.messages.count() == 299


def test_wrong_passphrase_changes_nothing(paths: HomePaths) -> None:
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    before = {path: path.read_bytes() for path in paths.home.rglob("*") if path.is_file()}
    for convert in (encrypt_home, decrypt_home):
        for marked in (True, False):
            if not marked:
                paths.encryption.unlink()
            with pytest.raises(PassphraseError, match="Wrong passphrase"):
                convert(paths, "another one", progress=ignore)
            paths.encryption.write_bytes(before[paths.encryption])
    assert {path: path.read_bytes() for path in paths.home.rglob("*") if path.is_file()} == before


def test_file_that_another_process_uses_is_refused_and_left_as_it_was(paths: HomePaths) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(paths.database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None and holder.stdout.readline() == b"299\n"
        with pytest.raises(StoreError, match=r"clone\.db is in use by another process\. Stop the daemon"):
            encrypt_home(paths, PASSPHRASE, progress=ignore)
        assert holder.communicate(b"")[0] == b"299\n"
    assert is_plain(paths.database) and not list(paths.home.glob(".*converting*"))
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    assert list_plain(paths) == []


def test_damaged_file_stops_the_run_and_stays(paths: HomePaths) -> None:
    content = bytearray(paths.session.read_bytes())
    content[100:200] = b"x" * 100
    paths.session.write_bytes(content)
    with pytest.raises(StoreError, match=r"telegram\.session can't be converted: .*It is as it was"):
        encrypt_home(paths, PASSPHRASE, progress=ignore)
    assert paths.session.read_bytes() == content
    assert not list(paths.home.glob(".*"))
    with Store.open(paths.database) as store:
        assert store.messages.count() == 299


def test_copies_of_the_owners_own_and_killed_backups_are_not_forgotten(paths: HomePaths) -> None:
    (paths.home / "clone.db.old").write_bytes(paths.database.read_bytes())
    (paths.backups / "before-trip").write_bytes(paths.database.read_bytes())
    (paths.backups / ".clone-20260101-000000.db").write_bytes(paths.database.read_bytes()[:9000])
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    assert find_word(paths.home, WORD) == []
    decrypt_home(paths, PASSPHRASE, progress=ignore)
    assert is_plain(paths.home / "clone.db.old") and is_plain(paths.backups / "before-trip")


def test_backup_under_another_passphrase_is_left_and_named(paths: HomePaths, tmp_path: Path) -> None:
    other = HomePaths(tmp_path / "other")
    with Store.open(other.database):
        pass
    encrypt_home(other, "another one", progress=ignore)
    stranger = paths.backups / "clone-1.db"
    stranger.write_bytes(other.database.read_bytes())
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    done = decrypt_home(paths, PASSPHRASE, progress=ignore)
    assert done.left == (stranger,) and len(done.files) == 3
    assert stranger.read_bytes() == other.database.read_bytes()


def test_lost_marker_is_made_again(paths: HomePaths) -> None:
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    before = paths.encryption.read_bytes()
    paths.encryption.unlink()
    KEYS.forget()
    assert find_key(paths.database) is not None
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    assert paths.encryption.read_bytes() == before


def test_empty_home_encrypts_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_derivation_cheap(monkeypatch)
    name_passphrase(tmp_path, monkeypatch)
    paths = HomePaths(tmp_path / "new")
    assert encrypt_home(paths, PASSPHRASE, progress=ignore).files == ()
    with Store.open(paths.database):
        assert list_plain(paths) == [] and not is_plain(paths.database)


def test_forgetting_reaches_encrypted_backups_and_deletes_none_that_it_can_open(paths: HomePaths) -> None:
    encrypt_home(paths, PASSPHRASE, progress=ignore)
    [copy] = paths.backups.glob("clone-*.db")
    with Store.open(paths.database) as store, store.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE messages SET text = '', deleted_at = 5 WHERE id < 100")
    assert update_backups(paths.database, paths.backups) == 1
    assert rewrite_backups(paths.backups, Target(chat_ids=[101]), now_ms=5) == (1, 0)
    with Store.open(copy) as opened:
        assert opened.messages.count() == 0
    assert find_word(paths.home, WORD) == []
