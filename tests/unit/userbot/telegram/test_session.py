"""The session file: locked, private, and not opened without what Telegram needs."""

from __future__ import annotations

import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from telethon.sessions import SQLiteSession
from telethon.tl.types import User

from userbot.domain.errors import ConfigError, SessionBusyError, SessionLostError
from userbot.telegram import session
from userbot.telegram.session import ClientOptions, NamelessSession, SessionLock, make_client

HOLDER = """
import sys, pathlib
from userbot.telegram.session import SessionLock
with SessionLock(pathlib.Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def options(tmp_path: Path, **fields: object) -> ClientOptions:
    values: dict[str, object] = {"session": tmp_path / "telegram.session", "api_id": 1, "api_hash": "hash"}
    return ClientOptions(**{**values, **fields})  # type: ignore[arg-type]  # built by name


def test_a_second_process_is_refused_and_told_who_is_in_the_way(tmp_path: Path) -> None:
    session = tmp_path / "telegram.session"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(session)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(SessionBusyError) as caught:
            SessionLock(session).acquire()
        holder.communicate("")
    assert str(caught.value) == (
        f"Process {holder.pid} already uses the Telegram session {session}. "
        f"Stop it first (`kill {holder.pid}`), or set CLONE_HOME to the folder of another account."
    )
    with SessionLock(session):
        pass  # the lock went with the process


@pytest.mark.parametrize("missing", [{"api_id": None}, {"api_hash": None}])
async def test_a_missing_api_id_says_where_to_get_one(tmp_path: Path, missing: dict[str, object]) -> None:
    with pytest.raises(ConfigError) as caught:
        make_client(options(tmp_path, **missing))
    assert str(caught.value) == (
        "Telegram needs your own api_id and api_hash. Create them at https://my.telegram.org/apps and set "
        "CLONE_TELEGRAM__API_ID and CLONE_TELEGRAM__API_HASH, or run `clone init`."
    )


@pytest.mark.parametrize("address", ["proxy.example:1080", "ftp://host:21", "socks5://host", "socks5://host:port"])
async def test_a_proxy_address_of_another_form_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConfigError, match=r"is not a proxy address\. Write it like socks5://127\.0\.0\.1:1080"):
        make_client(options(tmp_path, proxy=address))


async def test_a_proxy_without_its_package_names_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"Install it: pip install '\.\[proxy\]' in the program's folder$"):
        make_client(options(tmp_path, proxy="socks5://127.0.0.1:1080"))


async def test_a_missing_loopback_address_is_explained(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="unset CLONE_TELEGRAM__ENDPOINT_FILE"):
        make_client(options(tmp_path, endpoint_file=tmp_path / "none.json"))


async def test_the_session_file_is_private_from_the_start(tmp_path: Path) -> None:
    client = make_client(options(tmp_path / "home"))
    client.session.save()
    files = sorted((tmp_path / "home").iterdir())
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600] * len(files)
    assert stat.S_IMODE((tmp_path / "home").stat().st_mode) == 0o700
    client.session.close()


async def test_an_open_session_file_is_made_private_again(tmp_path: Path) -> None:
    session = tmp_path / "telegram.session"
    session.touch(mode=0o644)
    session.chmod(0o644)
    client = make_client(options(tmp_path))
    client.session.close()
    assert stat.S_IMODE(session.stat().st_mode) == 0o600


async def test_a_damaged_session_file_says_how_to_repair_it(tmp_path: Path) -> None:
    session = tmp_path / "telegram.session"
    session.write_bytes(b"no database" * 500)
    with pytest.raises(SessionLostError) as caught:
        make_client(options(tmp_path))
    assert str(caught.value) == (
        f"The session file {session} is damaged (file is not a database). Remove it, then log in again: clone login"
    )


def test_the_options_do_not_print_secrets(tmp_path: Path) -> None:
    shown = repr(options(tmp_path, api_hash="0f3secret", proxy="socks5://u:password@h:1"))
    assert "secret" not in shown
    assert "password" not in shown


def test_names_that_an_older_version_kept_are_taken_out(tmp_path: Path) -> None:
    path = tmp_path / "telegram.session"
    SQLiteSession(str(path)).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("INSERT INTO entities VALUES (101, 5, 'zyxuser', 4915112345678, 'zyx name', 0)")
        connection.commit()
    opened = NamelessSession(path, None)
    opened.process_entities([User(102, access_hash=6, first_name="zyx new", username="zyxnew", phone="4915112345679")])
    opened.close()
    assert not any(word in path.read_bytes() for word in (b"zyx", b"49151"))
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT id, hash, username, phone, name FROM entities ORDER BY id").fetchall()
    assert rows == [(101, 5, None, None, None), (102, 6, None, None, None)]
