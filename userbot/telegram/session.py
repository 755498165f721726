"""The session file, private and used by one process at a time, and the Telethon client that uses it."""

from __future__ import annotations

import fcntl
import logging
import os
import sqlite3
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import unquote, urlsplit

from telethon.sessions import SQLiteSession

from userbot.config.passphrase import FileKey
from userbot.domain.errors import ConfigError, SessionBusyError, SessionLostError
from userbot.store.connection import BUSY_ERRORS, DATA_ERRORS, connect, find_key, note_closed, note_open
from userbot.telegram.client import PatientClient
from userbot.telegram.errors import translate

_RECONNECT_DELAY_S = 0.5
_PROXY_SCHEMES = ("socks5", "socks4", "http")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How to reach Telegram.

    Args:
        session: Path of the session file; it gives full access to the account.
        api_id: The owner's own id from my.telegram.org/apps.
        api_hash: The hash beside it.
        device_model: Name in Telegram's list of devices; it should be the same in every run.
        proxy: `socks5://[user:password@]host:port`, `socks4://…` or `http://…`.
        endpoint_file: File with the address of a loopback server, which is used instead of Telegram.
    """

    session: Path
    api_id: int | None
    api_hash: str | None = field(repr=False)
    device_model: str = "telegram-clone"
    proxy: str | None = field(default=None, repr=False)
    endpoint_file: Path | None = None


class SessionLock:
    """Lock a session for this process; the system releases the lock when the process ends, however it ends.

    Args:
        session: Path of the session file; the lock is `<session>.lock` beside it.
    """

    def __init__(self, session: Path) -> None:
        self._session = session
        self._path = session.with_name(session.name + ".lock")
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock.

        Raises:
            SessionBusyError: Another process has the lock; the text names its pid.
        """
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            pid = os.read(handle, 20).decode(errors="replace").strip() or "unknown"
            os.close(handle)
            raise SessionBusyError(
                f"Process {pid} already uses the Telegram session {self._session}. "
                f"Stop it first (`kill {pid}`), or set CLONE_HOME to the folder of another account."
            ) from exc
        os.ftruncate(handle, 0)
        os.write(handle, str(os.getpid()).encode())
        self._handle = handle

    def release(self) -> None:
        """Release the lock; the file stays, since removing it could let two processes in."""
        if self._handle is not None:
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
            self._handle = None

    def __enter__(self) -> Self:
        """Take the lock."""
        self.acquire()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Release the lock."""
        self.release()


class NamelessSession(SQLiteSession):  # type: ignore[misc]  # Telethon has no types
    """A session file that holds ids and access hashes alone: no name, username or phone number of anybody.

    Telethon would keep those of everybody it has heard of, but chats are addressed by id and access hash only.

    Args:
        path: The file, which ends in `.session`.
        key: With which it is encrypted; None leaves it plain.
    """

    _conn: sqlite3.Connection | None

    def __init__(self, path: Path, key: FileKey | None) -> None:
        self._key = key
        super().__init__(str(path))
        cursor = self._cursor()
        cursor.execute("PRAGMA secure_delete = ON")
        named = "username IS NOT NULL OR phone IS NOT NULL OR name IS NOT NULL"
        cursor.execute(f"UPDATE entities SET username = NULL, phone = NULL, name = NULL WHERE {named}")  # noqa: S608 - constants
        cleaned = cursor.rowcount
        self.save()
        if cleaned:  # left by a version that kept them
            cursor.execute("VACUUM")
        cursor.close()

    def close(self) -> None:
        """Close the file; Telethon opens it again when it needs to."""
        if self._conn is not None:
            note_closed(Path(self.filename))
        super().close()

    def _cursor(self) -> Any:
        # The one place where Telethon connects.
        if self._conn is None:
            path = Path(self.filename)
            self._conn = connect(path, self._key, check_same_thread=False)
            note_open(path, self._key)
        return self._conn.cursor()

    def _entities_to_rows(self, tlo: Any) -> list[Any]:
        rows = super()._entities_to_rows(tlo)
        return [(entity_id, access_hash, None, None, None) for entity_id, access_hash, *_named in rows]


def make_client(
    options: ClientOptions, *, sleep: Callable[[float], Any] | None = None, reconnects: int = 0
) -> PatientClient:
    """Return a client that is not connected yet; hold the session's lock while using it.

    It sleeps through flood waits of reading requests only.

    Args:
        options: How to reach Telegram.
        sleep: Waits for a number of seconds; `asyncio.sleep` unless a test passes its own.
        reconnects: How often Telethon itself may try to repair a connection; 0 for a supervised client, where
            `Connection` notices each loss and catches up.

    Raises:
        ConfigError: The api id or hash is missing, or the proxy can't be used.
        SessionBusyError: Another program has the session file open.
        SessionLostError: The session file is damaged.
        PassphraseError: It is encrypted, and there is no passphrase, or a wrong one.
    """
    if not options.api_id or not options.api_hash:
        raise ConfigError(
            "Telegram needs your own api_id and api_hash. Create them at https://my.telegram.org/apps and set "
            "CLONE_TELEGRAM__API_ID and CLONE_TELEGRAM__API_HASH, or run `clone init`."
        )
    proxy = _parse_proxy(options.proxy) if options.proxy else None
    _make_private(options.session)
    client = _open_client(
        options.session,
        options.api_id,
        options.api_hash,
        proxy=proxy,
        device_model=options.device_model,
        app_version=_read_version(),
        system_version="1",
        catch_up=True,
        sequential_updates=True,
        receive_updates=True,
        auto_reconnect=reconnects > 0,
        connection_retries=reconnects,
        retry_delay=_RECONNECT_DELAY_S if reconnects else 0,
        request_retries=1,
        flood_sleep_threshold=0,
        raise_last_call_error=True,
    )
    logging.getLogger("telethon.network.mtprotosender").addFilter(_hide_expected)
    if sleep is not None:
        client.sleep = sleep
    if options.endpoint_file is not None:
        _apply_endpoint(client, options.endpoint_file)
    return client


def _open_client(session: Path, *arguments: Any, **fields: Any) -> PatientClient:
    try:
        return PatientClient(NamelessSession(session, find_key(session)), *arguments, **fields)
    except BUSY_ERRORS as exc:
        raise translate(exc, "open the session") from exc
    except DATA_ERRORS as exc:
        raise SessionLostError(
            f"The session file {session} is damaged ({exc}). Remove it, then log in again: clone login"
        ) from exc


def _hide_expected(record: logging.LogRecord) -> bool:
    # With its own reconnection off, Telethon logs each loss as an error; `Connection` reports and repairs it.
    return not str(record.msg).startswith("Automatic reconnection failed")


def _make_private(session: Path) -> None:
    # SQLite gives its journal the mode of the database, so a private database is enough for both.
    session.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    for path in (session, session.with_name(session.name + "-journal")):
        if path == session:
            path.touch(mode=0o600)
        if path.exists() and stat.S_IMODE(path.stat().st_mode) != 0o600:
            path.chmod(0o600)


def _parse_proxy(address: str) -> dict[str, Any]:
    parts = urlsplit(address)
    try:
        port = parts.port
    except ValueError:
        port = None
    if parts.scheme not in _PROXY_SCHEMES or not parts.hostname or port is None:
        raise ConfigError(
            "CLONE_TELEGRAM__PROXY is not a proxy address. Write it like socks5://127.0.0.1:1080 or http://host:3128."
        )
    if find_spec("python_socks") is None:
        raise ConfigError(
            "CLONE_TELEGRAM__PROXY is set, and the package for proxies is not installed. "
            "Install it: pip install '.[proxy]' in the program's folder"
        )
    return {
        "proxy_type": parts.scheme,
        "addr": parts.hostname,
        "port": port,
        "username": unquote(parts.username) if parts.username else None,
        "password": unquote(parts.password) if parts.password else None,
        "rdns": True,
    }


def _apply_endpoint(client: PatientClient, path: Path) -> None:
    from userbot.loopback.endpoint import LoopbackEndpoint

    try:
        text = path.read_text()
    except OSError as exc:
        raise ConfigError(
            f"The loopback server's address can't be read from {path}: {exc.strerror}. "
            f"Start the server, or unset CLONE_TELEGRAM__ENDPOINT_FILE."
        ) from exc
    try:
        endpoint = LoopbackEndpoint.from_json(text)
    except ValueError as exc:
        raise ConfigError(f"{path}: {exc}") from exc
    endpoint.apply(client.session)


def _read_version() -> str:
    try:
        return version("telegram-clone")
    except PackageNotFoundError:
        return "0"
