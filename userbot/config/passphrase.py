"""The passphrase of an encrypted home: where it comes from, the key that it makes, how child processes get the key.

It comes from the file that `CLONE_PASSPHRASE_FILE` names, else from systemd's credential `clone-passphrase`, else from
the terminal, where it is not echoed. It is never an argument or the value of a variable: those can be read from lists
of processes, and are inherited by every program that is started.

Source: RFC 7914 (scrypt); OWASP Password Storage Cheat Sheet for its cost; systemd.exec(5), LoadCredential=.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
import unicodedata
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from getpass import GetPassWarning
from pathlib import Path

import typer

from userbot.domain.errors import PassphraseError

SALT_BYTES = 16
KEY_BYTES = 32
FILE_VARIABLE = "CLONE_PASSPHRASE_FILE"
CREDENTIAL = "clone-passphrase"

_CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
_KEY_DESCRIPTOR_VARIABLE = "TELEGRAM_CLONE_KEY_FD"  # not CLONE_…, for it is no setting
_VERIFIED_TEXT = b"telegram-clone: this is the key"
_MAX_FILE_BYTES = 4096
# One guess costs 128 MiB of memory and 0.4 s. Changing it would lock out every home that is encrypted already.
_SCRYPT_N, _SCRYPT_R, _SCRYPT_P = 2**17, 8, 1

Ask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class FileKey:
    """What one database file is encrypted with.

    Args:
        key: Made from the passphrase and the salt.
        salt: The file's first bytes, so that the passphrase alone opens it wherever it was copied.
    """

    key: bytes = field(repr=False)
    salt: bytes

    @property
    def literal(self) -> str:
        """Return the key as SQLCipher takes it: raw, without a second derivation."""
        return f"x'{self.key.hex()}{self.salt.hex()}'"

    @property
    def verifier(self) -> str:
        """Return what tells this key from all others and does not tell the key."""
        return hmac.new(self.key, _VERIFIED_TEXT, hashlib.sha256).hexdigest()


def derive_key(passphrase: str, salt: bytes) -> FileKey:
    """Make the key of a file from the passphrase; takes 0.4 s on purpose.

    Args:
        passphrase: In any Unicode form: keyboards differ in how they write an umlaut.
        salt: 16 bytes.
    """
    text = unicodedata.normalize("NFC", passphrase).encode()
    memory = 256 * _SCRYPT_N * _SCRYPT_R
    key = hashlib.scrypt(text, salt=salt, n=_SCRYPT_N, r=_SCRYPT_R, p=_SCRYPT_P, maxmem=memory, dklen=KEY_BYTES)
    return FileKey(key, salt)


class Keyring:
    """The keys of this process, each asked for once and kept in memory only.

    Args:
        ask: Asks on the terminal without echo.
    """

    def __init__(self, ask: Ask | None = None) -> None:
        self.file: Path | None = None
        """Passphrase file named by the settings; the environment's comes first."""
        self._ask = ask or _ask_terminal
        self._keys: dict[bytes, FileKey] = {}

    def find(self, salt: bytes) -> FileKey:
        """Return the key for a salt: one that is known, that of the parent process, or made from the passphrase.

        Args:
            salt: First bytes of the file.

        Raises:
            PassphraseError: There is no passphrase, or its file can't be used.
        """
        return self.get(salt) or derive_key(self.read_passphrase(), salt)

    def get(self, salt: bytes) -> FileKey | None:
        """Return the key for a salt if it is known; asks nobody."""
        self._inherit()
        return self._keys.get(salt)

    def accept(self, key: FileKey) -> None:
        """Keep a key that has opened a file."""
        self._keys[key.salt] = key

    def forget(self) -> None:
        """Drop all keys."""
        self._keys.clear()

    def read_passphrase(self, *, twice: bool = False) -> str:
        """Return the passphrase from its file, from the credential, or from the terminal.

        Args:
            twice: Ask a second time on the terminal, since a new passphrase with a slip would lock the owner out.

        Raises:
            PassphraseError: There is none, it is empty, its file can't be used, or the two differ.
        """
        path = self._find_file()
        if path is not None:
            return _read_file(path)
        passphrase = self._ask("Passphrase of the home folder (not shown)")
        if not passphrase:
            raise PassphraseError("The passphrase is empty; nothing was changed.")
        if twice and self._ask("The same again") != passphrase:
            raise PassphraseError("The two passphrases differ; nothing was changed. Try again.")
        return passphrase

    @contextmanager
    def lend(self) -> Iterator[tuple[dict[str, str], tuple[int, ...]]]:
        """Offer the keys to one child process through a pipe, which nobody else can read, and only once.

        Yields:
            Variables and descriptors to start the child with: the number of a descriptor, never the key. Both are empty
            where nothing is encrypted.
        """
        if not self._keys:
            yield {}, ()
            return
        reader, writer = os.pipe()
        try:
            os.write(writer, b"".join(key.salt + key.key for key in self._keys.values()))
            os.close(writer)
            yield {_KEY_DESCRIPTOR_VARIABLE: str(reader)}, (reader,)
        finally:
            os.close(reader)

    def _inherit(self) -> None:
        number = os.environ.pop(_KEY_DESCRIPTOR_VARIABLE, "")
        if not number.isdigit():
            return
        # A program further down the line has the variable and not the pipe.
        with suppress(OSError), open(int(number), "rb") as pipe:  # noqa: PTH123  # a descriptor
            if stat.S_ISFIFO(os.fstat(pipe.fileno()).st_mode):
                while len(entry := pipe.read(SALT_BYTES + KEY_BYTES)) == SALT_BYTES + KEY_BYTES:
                    self.accept(FileKey(entry[SALT_BYTES:], entry[:SALT_BYTES]))

    def _find_file(self) -> Path | None:
        named = os.environ.get(FILE_VARIABLE) or self.file
        if named:
            return Path(named).expanduser()
        folder = os.environ.get(_CREDENTIALS_VARIABLE)
        credential = Path(folder, CREDENTIAL) if folder else None
        return credential if credential is not None and credential.is_file() else None


def _read_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if stat.S_ISREG(mode) and mode & (stat.S_IRWXG | stat.S_IRWXO):
                raise PassphraseError(
                    f"The passphrase file {path} can be read by other accounts ({stat.S_IMODE(mode):o}). "
                    f"Repair: chmod go= {path}"
                )
            content = file.read(_MAX_FILE_BYTES + 1)
    except OSError as exc:
        raise PassphraseError(
            f"The passphrase file {path} can't be read: {exc.strerror}. Set {FILE_VARIABLE} to a file of yours, or "
            f"unset it to be asked."
        ) from exc
    if len(content) > _MAX_FILE_BYTES:
        raise PassphraseError(
            f"The passphrase file {path} is longer than {_MAX_FILE_BYTES} bytes. Is it the right one?"
        )
    try:
        passphrase = content.decode().removesuffix("\n").removesuffix("\r")
    except UnicodeDecodeError:
        raise PassphraseError(f"The passphrase file {path} is not text in UTF-8.") from None
    if not passphrase:
        raise PassphraseError(f"The passphrase file {path} is empty.")
    return passphrase


def _ask_terminal(text: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", GetPassWarning)  # no terminal: a pipe shows nothing anyway
            return str(typer.prompt(text, default="", show_default=False, hide_input=True, err=True))
    except typer.Abort:
        raise PassphraseError(
            f"The home folder is encrypted, and there is no terminal to ask for its passphrase. Write it into a file "
            f"of your own (chmod 600) and name that by {FILE_VARIABLE}, or give systemd the credential {CREDENTIAL}."
        ) from None


KEYS = Keyring()
"""The keyring of this process."""
