"""Opening the database: private files, migrations of a checkout and of a wheel, versions, errors without content."""

from __future__ import annotations

import shutil
import sqlite3
import stat
import subprocess
import sys
import tomllib
from contextlib import closing
from pathlib import Path

import pytest
from fakes import bubble
from sqlalchemy.exc import IntegrityError

from userbot.domain.errors import StoreError, StoreNewerError
from userbot.store import Store
from userbot.store.engine import find_migrations, open_engine
from userbot.store.facts import OWNER_ID

ROOT = Path(__file__).parents[4]


def test_database_and_its_side_files_are_private(store: Store, tmp_path: Path) -> None:
    store.facts.set(OWNER_ID, 1)
    files = sorted(path.name for path in (tmp_path / "home").iterdir())
    assert files == ["clone.db", "clone.db-shm", "clone.db-wal"]
    for path in (tmp_path / "home").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path.name


def test_newer_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clone.db"
    Store.open(path).close()
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    raw.close()
    with pytest.raises(StoreNewerError) as caught:
        Store.open(path)
    assert str(caught.value) == (
        f"The database {path} has version 9999, newer than this program knows. "
        f"Install the newer version again: pip install . in its folder"
    )


def test_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "clone.db"
    path.write_text("this is a shopping list " * 100)
    with pytest.raises(StoreError, match="is not a usable database: file is not a database"):
        Store.open(path)


def test_message_text_stands_in_no_error_of_the_database(store: Store) -> None:
    with pytest.raises(IntegrityError) as caught:
        store.messages.add([bubble(1, "a secret", chat_id=999)])
    assert "a secret" not in str(caught.value)


def test_checkout_finds_the_migrations_at_its_top() -> None:
    assert find_migrations() == ROOT / "migrations"


def test_wheel_opens_a_database_with_the_migrations_that_it_carries(tmp_path: Path) -> None:
    site = tmp_path / "site-packages"
    without_caches = shutil.ignore_patterns("__pycache__")
    for package in ("config", "domain", "store"):
        shutil.copytree(ROOT / "userbot" / package, site / "userbot" / package, ignore=without_caches)
    shutil.copy(ROOT / "userbot" / "__init__.py", site / "userbot")
    shutil.copytree(ROOT / "migrations", site / "userbot" / "store" / "migrations", ignore=without_caches)
    script = (
        "import pathlib, userbot.store.engine as engine; from userbot.store import Store\n"
        "Store.open(pathlib.Path('clone.db')).close(); print(engine.find_migrations())"
    )
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, env={"PYTHONPATH": str(site)}, capture_output=True, text=True
    )
    assert (run.stdout.strip(), run.stderr) == (str(site / "userbot" / "store" / "migrations"), "")
    with closing(sqlite3.connect(tmp_path / "clone.db")) as database:
        assert database.execute("SELECT count(*) FROM messages").fetchone() == (0,)


def test_migrations_are_not_a_package_of_their_own_in_the_wheel() -> None:
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = pyproject["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["packages"] == ["userbot", "training"]
    assert wheel["force-include"] == {"migrations": "userbot/store/migrations"}


def test_what_is_deleted_is_overwritten(tmp_path: Path) -> None:
    engine = open_engine(tmp_path / "clone.db")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO facts VALUES ('note', '\"zyxword\"')")
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM facts")
    with engine.connect() as connection:
        assert connection.exec_driver_sql("PRAGMA secure_delete").scalar_one() == 1
    engine.dispose()
    assert b"zyxword" not in (tmp_path / "clone.db").read_bytes()
