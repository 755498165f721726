"""The database connection: permissions, pragmas, migrations."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DatabaseError

from userbot.config.passphrase import FileKey
from userbot.domain.errors import StoreError, StoreNewerError
from userbot.store.connection import find_key, load_driver, note_closed, note_open, unlock

BUSY_TIMEOUT_S = 30.0


def open_engine(path: Path) -> Engine:
    """Open the database, creating it (0600, its folder 0700) and bringing its tables up to date.

    Writers begin with `BEGIN IMMEDIATE`, so that a transaction that reads and then writes never fails as locked.

    Args:
        path: The SQLite file.

    Returns:
        An engine whose tables are up to date.

    Raises:
        StoreNewerError: A newer version of the program has written it.
        PassphraseError: It is encrypted, and there is no passphrase, or a wrong one.
        StoreError: It is not a database, or can't be opened.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.touch(mode=0o600)
        path.chmod(0o600)
    except OSError as exc:
        raise StoreError(
            f"The database {path} can't be opened: {exc.strerror}. Set CLONE_HOME to a folder you own."
        ) from exc
    key = find_key(path)
    driver = {} if key is None else {"module": load_driver()}
    # Parameters are messages, and must not appear in the text of an error that is logged.
    engine = create_engine(
        f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT_S}, hide_parameters=True, **driver
    )
    note_open(path, key)
    event.listen(engine, "engine_disposed", lambda _engine: note_closed(path))
    event.listen(engine, "connect", partial(_set_up, key))
    event.listen(engine, "begin", _begin_immediate)
    try:
        migrate(engine)
    except DatabaseError as exc:
        engine.dispose()
        raise StoreError(f"{path} is not a usable database: {exc.orig}. Move it away, or restore a backup.") from exc
    except BaseException:
        engine.dispose()
        raise
    return engine


def migrate(engine: Engine) -> None:
    """Apply the migrations that the database lacks.

    Raises:
        StoreNewerError: Its version is unknown to this program.
    """
    config = Config()
    config.set_main_option("script_location", str(find_migrations()).replace("%", "%%"))
    script = ScriptDirectory.from_config(config)
    with engine.connect() as connection:
        current = MigrationContext.configure(connection).get_current_revision()
    if current == script.get_current_head():
        return
    if current is not None and current not in {revision.revision for revision in script.walk_revisions()}:
        raise StoreNewerError(
            f"The database {engine.url.database} has version {current}, newer than this program knows. "
            f"Install the newer version again: pip install . in its folder"
        )
    config.attributes["engine"] = engine
    command.upgrade(config, "head")


def find_migrations(module: Path = Path(__file__)) -> Path:
    """Return the folder of migrations: beside this module in an installed wheel, at the top of a checkout.

    Args:
        module: Path of this module, wherever it is installed.
    """
    packaged = module.with_name("migrations")
    return packaged if packaged.is_dir() else module.parents[2] / "migrations"


def _set_up(key: FileKey | None, connection: Any, _record: Any) -> None:
    if key is not None:
        unlock(connection, key)
    # The driver's own transaction handling is off: it begins transactions late, and deferred.
    connection.isolation_level = None
    cursor = connection.cursor()
    # What is deleted or replaced is overwritten with zeros, so that free pages hold no words.
    for pragma in (
        "journal_mode = WAL",
        "synchronous = NORMAL",
        "foreign_keys = ON",
        "cache_size = -16000",
        "secure_delete = ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_immediate(connection: Connection) -> None:
    read_only = connection.get_execution_options().get("read_only", False)
    connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")
