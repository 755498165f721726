"""Every error that this program raises on purpose, as one tree, and the exit codes of its commands.

::

    CloneError                          exit 1
    ├── ConfigError (ValueError)        exit 2   a setting or an argument is wrong or missing
    ├── ConsentError (PermissionError)  exit 2   a chat without recorded consent
    ├── ExportError (ValueError)        exit 2
    │   ├── ExportFormatError           exit 2   not an export that we know, or damaged
    │   ├── ExportTruncatedError        exit 3   the file ends early; what was whole is stored
    │   └── OwnerUnknownError           exit 2   nothing says which sender is the owner
    ├── StoreError                      exit 1
    │   ├── StoreNewerError             exit 2   written by a newer version of the program
    │   ├── PassphraseError             exit 2   no passphrase for an encrypted home, or a wrong one
    │   └── ChatNotFoundError (LookupError)      exit 2
    ├── AdapterError                    exit 1
    │   ├── NoAdapterError (LookupError)         exit 2   there is no such adapter, or none is active
    │   ├── StaleAdapterError (PermissionError)  exit 2   learned from a chat whose consent does not stand
    │   ├── AdapterDamagedError         exit 1   files differ from the manifest's checksums
    │   └── BaseMismatchError           exit 2   trained on another base model
    ├── BaseDamagedError (OSError)      exit 1   the embedded base's files differ from their checksums
    ├── TrainingError                   exit 1
    │   ├── TooLittleDataError          exit 3
    │   ├── NotQuantisedError           exit 2   4 bit was requested and can't be applied
    │   ├── OutOfMemoryError (MemoryError)       exit 1
    │   ├── TrainingStoppedError        exit 130 stopped on request; a checkpoint is written
    │   └── MissingExtraError (ImportError)      exit 2   an optional dependency is not installed
    ├── GeneratorError                  exit 1
    │   └── GeneratorUnavailableError (ConnectionError) exit 1   the model server can't be reached: try later
    └── TelegramError                   exit 1
        ├── LoginError (PermissionError)         exit 5   wrong code, wrong password, too many tries
        ├── SessionLostError (PermissionError)   exit 5   revoked, banned, key used twice: log in again
        ├── SessionBusyError (BlockingIOError)   exit 1   another process holds the session
        ├── FloodError                  exit 1   Telegram asks us to wait
        ├── SpamLimitError (PermissionError)     exit 1   Telegram regards the account as a spammer
        └── OfflineError (ConnectionError)       exit 1   no connection

A leaf also inherits the standard exception that callers outside this project would expect. Texts say what happened, the
value, and the command or setting that repairs it; they never hold message text, phone numbers, codes or tokens.
"""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """How a command ended; docs/service.md explains each to those who call it from a script."""

    DONE = 0
    FAILED = 1
    WRONG = 2
    TOO_LITTLE = 3
    WORSE = 4
    NEEDS_LOGIN = 5
    STOPPED = 130


class CloneError(Exception):
    """Base of all errors here; the command line prints its text and leaves with `exit_code`."""

    exit_code: int = ExitCode.FAILED


class ConfigError(CloneError, ValueError):
    """A setting or an argument is wrong or missing."""

    exit_code = ExitCode.WRONG


class ConsentError(CloneError, PermissionError):
    """Something needs a chat's recorded consent, and there is none."""

    exit_code = ExitCode.WRONG


class ExportError(CloneError, ValueError):
    """An export file can't be used."""

    exit_code = ExitCode.WRONG


class ExportFormatError(ExportError):
    """The file is not an export that we know, or it is damaged."""


class ExportTruncatedError(ExportError):
    """The file ends early; everything whole before that point is stored."""

    exit_code = ExitCode.TOO_LITTLE


class OwnerUnknownError(ExportError):
    """Nothing in the export says which sender is its owner."""


class StoreError(CloneError):
    """The database can't be used."""


class StoreNewerError(StoreError):
    """The database was written by a newer version of this program."""

    exit_code = ExitCode.WRONG


class PassphraseError(StoreError):
    """An encrypted home's passphrase is missing, wrong, or in a file that can't be used."""

    exit_code = ExitCode.WRONG


class ChatNotFoundError(StoreError, LookupError):
    """No chat, or more than one, matches what was asked for."""

    exit_code = ExitCode.WRONG


class AdapterError(CloneError):
    """An adapter can't be used."""


class NoAdapterError(AdapterError, LookupError):
    """There is no such adapter, or no adapter is active."""

    exit_code = ExitCode.WRONG


class StaleAdapterError(AdapterError, PermissionError):
    """The adapter learned from a chat whose consent does not stand any more."""

    exit_code = ExitCode.WRONG


class AdapterDamagedError(AdapterError):
    """An adapter's files differ from the checksums of its manifest."""


class BaseMismatchError(AdapterError):
    """An adapter was trained on another base model than the one that is loaded."""

    exit_code = ExitCode.WRONG


class BaseDamagedError(CloneError, OSError):
    """The embedded base's packed files differ from their checksums."""


class TrainingError(CloneError):
    """Training can't start or continue."""


class TooLittleDataError(TrainingError):
    """There are too few owner turns to learn from."""

    exit_code = ExitCode.TOO_LITTLE


class NotQuantisedError(TrainingError):
    """4 bit was requested, and the model's layers are not 4-bit layers."""

    exit_code = ExitCode.WRONG


class OutOfMemoryError(TrainingError, MemoryError):
    """The model does not fit, even with the smallest micro-batch."""


class TrainingStoppedError(TrainingError):
    """Training was stopped on request; its checkpoint is written."""

    exit_code = ExitCode.STOPPED


class MissingExtraError(TrainingError, ImportError):
    """A package of an optional extra is not installed."""

    exit_code = ExitCode.WRONG


class GeneratorError(CloneError):
    """No reply could be generated."""


class GeneratorUnavailableError(GeneratorError, ConnectionError):
    """The model server can't be reached now; the burst is answered later."""


class TelegramError(CloneError):
    """Telegram refused something."""


class LoginError(TelegramError, PermissionError):
    """The code or the password was wrong, or there were too many tries."""

    exit_code = ExitCode.NEEDS_LOGIN


class SessionLostError(TelegramError, PermissionError):
    """The session was revoked, the account banned, or the key used twice."""

    exit_code = ExitCode.NEEDS_LOGIN


class SessionBusyError(TelegramError, BlockingIOError):
    """Another process holds this session."""


class FloodError(TelegramError):
    """Telegram asks for a pause.

    Args:
        text: What was refused.
        wait_s: Seconds to wait before the next try.
        one_chat: The wait is for one chat (slow mode); others may be written to.
    """

    def __init__(self, text: str, wait_s: float, *, one_chat: bool = False) -> None:
        super().__init__(text)
        self.wait_s = wait_s
        self.one_chat = one_chat


class SpamLimitError(TelegramError, PermissionError):
    """Telegram regards the account as a spammer, and limits whom it may write to."""


class OfflineError(TelegramError, ConnectionError):
    """There is no connection to Telegram."""
