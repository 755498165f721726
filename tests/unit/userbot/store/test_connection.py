"""Connections: which files are encrypted, and what opens them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from encrypted_homes import PASSPHRASE, make_derivation_cheap, name_passphrase

from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS, derive_key
from userbot.domain.errors import ExitCode, MissingExtraError, PassphraseError, StoreError
from userbot.store import Store, connection
from userbot.store.connection import DATA_ERRORS, Marker, connect, find_key, is_plain, read_salt

SALT = bytes(range(1, 17))


@pytest.fixture(autouse=True)
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_derivation_cheap(monkeypatch)
    name_passphrase(tmp_path, monkeypatch)


def make(path: Path, passphrase: str | None = PASSPHRASE) -> Path:
    key = None if passphrase is None else derive_key(passphrase, SALT)
    with closing(connect(path, key)) as opened:
        opened.execute("CREATE TABLE words (word TEXT)")
        opened.execute("INSERT INTO words VALUES ('umbrella')")
        opened.commit()
    return path


def mark(home: Path, passphrase: str = PASSPHRASE, **fields: str) -> None:
    key = derive_key(passphrase, SALT)
    values = {"state": "on", "salt": SALT.hex(), "verifier": key.verifier, **fields}
    HomePaths(home).encryption.write_text(Marker(**values).to_json(), "utf-8")  # type: ignore[arg-type]  # built by name


def test_plain_and_encrypted_files_are_told_apart_by_their_first_bytes(tmp_path: Path) -> None:
    plain, hidden = make(tmp_path / "plain.db", None), make(tmp_path / "hidden.db")
    assert (is_plain(plain), read_salt(plain), find_key(plain)) == (True, None, None)
    assert (is_plain(hidden), read_salt(hidden)) == (False, SALT)
    assert find_key(hidden) == derive_key(PASSPHRASE, SALT)
    assert b"umbrella" in plain.read_bytes() and b"umbrella" not in hidden.read_bytes()
    for path in (plain, hidden):
        with closing(connect(path, find_key(path), read_only=True)) as opened:
            assert opened.execute("SELECT word FROM words").fetchall() == [("umbrella",)]
            with pytest.raises(DATA_ERRORS, match="readonly"):
                opened.execute("DELETE FROM words")


@pytest.mark.parametrize("content", [b"milk, eggs", b"", b"x" * 5000])
def test_what_is_no_database_is_asked_no_passphrase_for(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "clone.db"
    path.write_bytes(content)
    assert find_key(path) is None and find_key(tmp_path / "none.db") is None


def test_wrong_passphrase_changes_nothing_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    path = make(tmp_path / "clone.db")
    before = path.read_bytes()
    name_passphrase(tmp_path, monkeypatch, "another one")
    for marked in (False, True):
        if marked:
            mark(tmp_path)
        with pytest.raises(PassphraseError, match=f"Wrong passphrase: it does not open {path}") as caught:
            Store.open(path)
        assert caught.value.exit_code == ExitCode.WRONG
    assert path.read_bytes() == before
    assert capfd.readouterr() == ("", "")
    name_passphrase(tmp_path, monkeypatch)
    assert find_key(path) is not None


def test_new_file_of_an_encrypted_home_is_encrypted(tmp_path: Path) -> None:
    mark(tmp_path)
    with Store.open(tmp_path / "clone.db"):
        assert not is_plain(tmp_path / "clone.db")
    assert read_salt(tmp_path / "clone.db") == SALT
    mark(tmp_path, state="decrypting")
    with Store.open(tmp_path / "new.db"):
        assert is_plain(tmp_path / "new.db")


def test_new_file_is_never_made_with_a_wrong_passphrase(tmp_path: Path) -> None:
    mark(tmp_path, "another one")
    with pytest.raises(PassphraseError, match="Wrong passphrase"):
        Store.open(tmp_path / "clone.db")


@pytest.mark.parametrize("text", ["{", "[]", '{"state": "off", "salt": "", "verifier": ""}', '{"state": "on"}'])
def test_damaged_marker_is_named_with_the_repair(tmp_path: Path, text: str) -> None:
    HomePaths(tmp_path).encryption.write_text(text, "utf-8")
    with pytest.raises(StoreError, match=r"is damaged\. Move it away"):
        find_key(tmp_path / "clone.db")


def test_store_on_an_encrypted_file_is_a_whole_store(tmp_path: Path) -> None:
    mark(tmp_path)
    with Store.open(tmp_path / "clone.db") as store, Store.open(tmp_path / "clone.db") as other:
        assert store.engine.dialect.dbapi is connection.load_driver()
        with store.engine.connect() as opened:
            assert opened.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert other.chats.all() == []
    with (
        pytest.raises(sqlite3.DatabaseError, match="not a database"),
        closing(sqlite3.connect(tmp_path / "clone.db")) as c,
    ):
        c.execute("SELECT * FROM sqlite_master")


def test_missing_package_is_named_with_its_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make(tmp_path / "clone.db")
    monkeypatch.setattr(connection, "cipher", None)
    with pytest.raises(MissingExtraError, match=r"pip install '\.\[encryption\]'"):
        find_key(path)
    KEYS.forget()


def test_open_file_is_not_looked_into(tmp_path: Path) -> None:
    """Closing a second descriptor would drop the locks of the connections that are open."""
    mark(tmp_path)
    path = tmp_path / "clone.db"
    with Store.open(path) as store:
        store.chats.all()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(connection, "_read_start", None)  # a call would fail
            with Store.open(path):
                assert find_key(path) == derive_key(PASSPHRASE, SALT)
            assert find_key(path) is not None
    assert path.absolute() not in connection._OPEN
