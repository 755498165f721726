"""Plain connections to SQLite files, encrypted or not: which of the two a file is, its key, and the driver.

A plain file begins with SQLite's own words. An encrypted one begins with its salt, and the rest looks random.

Source: the file formats of SQLite (sqlite.org/fileformat.html) and SQLCipher (zetetic.net/sqlcipher/sqlcipher-api).
"""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self

from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS, SALT_BYTES, FileKey
from userbot.domain.errors import MissingExtraError, PassphraseError, StoreError

try:
    from sqlcipher3 import dbapi2 as cipher
except ImportError:  # the extra is not installed
    cipher = None

PAGE_BYTES = 4096
DRIVER_ERRORS: tuple[type[Exception], ...] = (sqlite3.Error, *([cipher.Error] if cipher else []))
"""The errors of both drivers, which have no class in common."""
DATA_ERRORS: tuple[type[Exception], ...] = (sqlite3.DatabaseError, *([cipher.DatabaseError] if cipher else []))
BUSY_ERRORS: tuple[type[Exception], ...] = (sqlite3.OperationalError, *([cipher.OperationalError] if cipher else []))


@dataclass(slots=True)
class _Opened:
    key: FileKey | None
    count: int = 0


_OPEN: dict[Path, _Opened] = {}
"""Files that this process has open. To close any descriptor of such a file would drop SQLite's locks on it.

Source: sqlite.org/howtocorrupt.html, 2.2.
"""

_PLAIN_HEADER = b"SQLite format 3\0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """`<home>/encryption.json`: that new files are encrypted, with which salt, and how the right key is known.

    Args:
        state: `on`; or `decrypting`, when new files are plain.
        salt: Hexadecimal; all files of a home share it.
        verifier: See `FileKey.verifier`.
    """

    state: Literal["on", "decrypting"]
    salt: str
    verifier: str

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a marker; None where there is none.

        Raises:
            StoreError: It is damaged.
        """
        try:
            marker = cls(**json.loads(path.read_text("utf-8")))
            if marker.state in ("on", "decrypting") and len(bytes.fromhex(marker.salt)) == SALT_BYTES:
                return marker
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            pass
        raise StoreError(
            f"{path} is damaged. Move it away: encrypted files open by the passphrase alone, and `clone encrypt` makes "
            f"it again."
        )

    def to_json(self) -> str:
        """Return the text of the file."""
        return json.dumps(asdict(self)) + "\n"


def is_plain(path: Path) -> bool:
    """Tell whether a file is an SQLite database that anyone can read."""
    return _read_start(path) == _PLAIN_HEADER


def read_salt(path: Path) -> bytes | None:
    """Return the salt of an encrypted database; None for a plain one, and for what is neither."""
    start = _read_start(path)
    # A damaged file is not asked a passphrase for: encrypted ones consist of whole pages.
    whole = len(start) == SALT_BYTES and path.stat().st_size % PAGE_BYTES == 0
    return start if whole and start != _PLAIN_HEADER else None


def find_key(path: Path) -> FileKey | None:
    """Return the key of a file, or with which it is to be made; None for a plain one.

    Args:
        path: A database; one that is missing or empty follows its home folder.

    Raises:
        PassphraseError: There is no passphrase, or it is another one.
        MissingExtraError: The package that reads encrypted files is not installed.
    """
    if path.absolute() in _OPEN:
        return _OPEN[path.absolute()].key
    marker = Marker.read(HomePaths(path.parent).encryption)
    salt = read_salt(path)
    if salt is None and marker is not None and marker.state == "on" and not _read_start(path):
        salt = bytes.fromhex(marker.salt)
    if salt is None:
        return None
    load_driver()
    key = KEYS.find(salt)
    check_key(key, path, marker)
    KEYS.accept(key)
    return key


def check_key(key: FileKey, path: Path, marker: Marker | None) -> None:
    """Make sure that a key opens a file.

    Raises:
        PassphraseError: It doesn't.
        StoreError: The file can't be read.
    """
    if marker is not None and marker.salt == key.salt.hex():
        if marker.verifier != key.verifier:
            raise PassphraseError(f"Wrong passphrase: it does not open {path}. Nothing was changed; try again.")
        return
    if read_salt(path) is None:
        return
    try:
        connection = connect(path, key, read_only=True)
        try:
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        finally:
            connection.close()
    except BUSY_ERRORS as exc:
        raise StoreError(f"{path} can't be read: {exc}. Stop what else uses it, and try again.") from exc
    except DATA_ERRORS as exc:
        raise PassphraseError(
            f"Wrong passphrase: it does not open {path}. Nothing was changed; try again. If you are sure of it, the "
            f"file is damaged: restore a backup."
        ) from exc


def note_open(path: Path, key: FileKey | None) -> None:
    """Remember that this process has a file open, so that `find_key` does not look into it."""
    _OPEN.setdefault(path.absolute(), _Opened(key)).count += 1


def note_closed(path: Path) -> None:
    """Undo one `note_open`."""
    opened = _OPEN.get(path.absolute())
    if opened is not None:
        opened.count -= 1
        if opened.count <= 0:
            del _OPEN[path.absolute()]


def connect(path: Path, key: FileKey | None, *, read_only: bool = False, **options: Any) -> sqlite3.Connection:
    """Open a file with the driver that it needs.

    Args:
        path: The database, made if missing unless `read_only`.
        key: From `find_key`.
        read_only: Refuse writes.
        options: More of `sqlite3.connect`.
    """
    address = path.absolute().as_uri() + ("?mode=ro" if read_only else "")
    if key is None:
        plain: sqlite3.Connection = sqlite3.connect(address, uri=True, **options)
        return plain
    connection: sqlite3.Connection = load_driver().connect(address, uri=True, **options)
    unlock(connection, key)
    return connection


def connect_copy(path: Path) -> sqlite3.Connection:
    """Open a backup for changes, plain or by a key that this process has; nobody is asked for another.

    Raises:
        PassphraseError: It is encrypted by another passphrase.
    """
    salt = read_salt(path)
    key = None if salt is None else KEYS.get(salt)
    if salt is not None and key is None:
        raise PassphraseError(f"The backup {path} is encrypted by another passphrase than the database.")
    return connect(path, key, isolation_level=None)


def attach(connection: sqlite3.Connection, path: Path, name: str, key: FileKey | None) -> None:
    """Attach a file for reading to a connection that has the same key, or none.

    Args:
        connection: Made by `connect` or `connect_copy`.
        path: The file.
        name: What statements call it; a word of ours.
        key: Its key.
    """
    by_key = "" if key is None else f' KEY "{key.literal}"'
    connection.execute(f"ATTACH ? AS {name}{by_key}", (f"{path.absolute().as_uri()}?mode=ro",))


def unlock(connection: sqlite3.Connection, key: FileKey) -> None:
    """Give a new connection its key; a wrong one shows at the first read."""
    connection.execute("PRAGMA cipher_log_level = NONE")  # it would write to standard error
    connection.execute(f'PRAGMA key = "{key.literal}"')


def load_driver() -> Any:
    """Return the driver of encrypted files.

    Raises:
        MissingExtraError: It is not installed.
    """
    if cipher is None:
        raise MissingExtraError(
            "Encryption needs the package sqlcipher3. Install it: pip install '.[encryption]' in the program's folder"
        )
    return cipher


def _read_start(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(SALT_BYTES)
    except FileNotFoundError:
        return b""
