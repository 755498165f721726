"""Every error that this program raises on purpose, as one tree.

::

    CloneError                          exit 1
    ├── ConfigError (ValueError)        exit 2   a setting or an argument is wrong or missing
    ├── ConsentError (PermissionError)  exit 2   a chat without recorded consent
    ├── ExportError (ValueError)        exit 2
    │   ├── ExportFormatError                    not an export that we know, or damaged
    │   ├── ExportTruncatedError        exit 3   the file ends early; what was whole is stored
    │   └── OwnerUnknownError                    nothing says which sender is the owner
    ├── StoreError
    │   ├── StoreNewerError                      written by a newer version of the program
    │   └── ChatNotFoundError (LookupError)      exit 2
    ├── AdapterError
    │   ├── NoAdapterError (LookupError)         nothing was trained or promoted yet
    │   ├── AdapterDamagedError                  files differ from the manifest's checksums
    │   └── BaseMismatchError                    trained on another base model
    ├── BaseDamagedError (OSError)               the embedded base's files differ from their checksums
    ├── TrainingError
    │   ├── TooLittleDataError          exit 3
    │   ├── NotQuantisedError                    4 bit was asked for and not applied
    │   ├── OutOfMemoryError (MemoryError)
    │   ├── TrainingStoppedError    exit 130         stopped on request; a checkpoint is written
    │   └── MissingExtraError (ImportError)      exit 2   an optional dependency is not installed
    ├── GeneratorError
    │   └── GeneratorAwayError (ConnectionError) the model server can't be reached: try later
    └── TelegramError
        ├── LoginError (PermissionError)         wrong code, wrong password, too many tries
        ├── SessionLostError (PermissionError)   revoked, banned, key used twice: log in again
        ├── SessionBusyError (BlockingIOError)   another process holds the session
        ├── FloodError                           Telegram asks us to wait
        ├── SpamLimitError (PermissionError)     Telegram takes the account for a spammer: write to nobody for now
        └── OfflineError (ConnectionError)       no connection

A leaf also inherits the standard exception that callers outside this project would expect. Texts say what happened, the
value, and the command or setting that repairs it; they never hold message text, phone numbers, codes or tokens.
"""

from __future__ import annotations


class CloneError(Exception):
    """Base of all errors here; the command line prints its text and leaves with `exit_code`."""

    exit_code = 1


class ConfigError(CloneError, ValueError):
    """A setting or an argument is wrong or missing."""

    exit_code = 2


class ConsentError(CloneError, PermissionError):
    """Something needs a chat's recorded consent, and there is none."""

    exit_code = 2


class ExportError(CloneError, ValueError):
    """An export file can't be used."""

    exit_code = 2


class ExportFormatError(ExportError):
    """The file is not an export that we know, or it is damaged."""


class ExportTruncatedError(ExportError):
    """The file ends early; everything whole before that point is stored."""

    exit_code = 3


class OwnerUnknownError(ExportError):
    """Nothing in the export says which sender is its owner."""


class StoreError(CloneError):
    """The database can't be used."""


class StoreNewerError(StoreError):
    """The database was written by a newer version of this program."""


class ChatNotFoundError(StoreError, LookupError):
    """No chat, or more than one, fits what was asked for."""

    exit_code = 2


class AdapterError(CloneError):
    """An adapter can't be used."""


class NoAdapterError(AdapterError, LookupError):
    """No adapter was trained, or none is in service."""


class AdapterDamagedError(AdapterError):
    """An adapter's files differ from what its manifest says."""


class BaseMismatchError(AdapterError):
    """An adapter was trained on another base model than the one that is loaded."""


class BaseDamagedError(CloneError, OSError):
    """The embedded base's packed files differ from their checksums."""


class TrainingError(CloneError):
    """Training can't start or go on."""


class TooLittleDataError(TrainingError):
    """There are too few owner turns to learn from."""

    exit_code = 3


class NotQuantisedError(TrainingError):
    """4 bit was asked for, and the model's layers are not 4-bit layers."""


class OutOfMemoryError(TrainingError, MemoryError):
    """The model does not fit, even with the smallest micro-batch."""


class TrainingStoppedError(TrainingError):
    """Training was stopped on request; its checkpoint is written."""

    exit_code = 130


class MissingExtraError(TrainingError, ImportError):
    """A package of an optional extra is not installed."""

    exit_code = 2


class GeneratorError(CloneError):
    """No reply could be generated."""


class GeneratorAwayError(GeneratorError, ConnectionError):
    """The model server can't be reached now; the answer waits."""


class TelegramError(CloneError):
    """Telegram refused something."""


class LoginError(TelegramError, PermissionError):
    """The code or the password was wrong, or there were too many tries."""


class SessionLostError(TelegramError, PermissionError):
    """The session was revoked, the account banned, or the key used twice."""


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
    """Telegram takes the account for a spammer, and limits whom it may write to."""


class OfflineError(TelegramError, ConnectionError):
    """There is no connection to Telegram."""
