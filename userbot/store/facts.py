"""Facts: single values that outlive a process, each with its name and its type, stated here and nowhere else.

============================  =====================  ==================================================================
name in the database          type                   what it says
============================  =====================  ==================================================================
`owner_id`                    int                    Telegram id of the owner
`owner_name`                  str                    their name, as Telegram shows it
`owner_username`              str                    their public name, without `@`
`terms_shown`                 datetime               when this home folder's owner was shown Telegram's terms
`paused_until`                datetime               end of a pause of all chats
`own_drafts`                  dict[int, str]         texts that the clone left in draft boxes, by chat
`command_id`                  int                    newest command of Saved Messages that was carried out
`question_id`                 int                    newest message in Saved Messages that asks for a yes
`daemon`                      DaemonState            what the daemon does
`pull`                        PullState              how far the newest pull is
`pull:<chat id>`              PullMark               how far a chat's history was pulled
`reconciled:<chat id>`        int                    up to this message, all that Telegram has is stored
`training`                    TrainingState          the training in progress, or the last one
`retrain_wanted`              RetrainWish            a training that waits for its conditions
`retrain_seen_at`             datetime               messages stored before it started a training already
`rollback_proposed`           str                    adapter whose rollback was proposed
`opted_out`                   dict[int, tuple[int, ...]]  members who asked for no bot, by group
`disclosure_key`              str                    key of the hashes in the disclosure index, hexadecimal
`exclusions`                  tuple[Exclusion, ...]  what the owner keeps out of training
`keep_days`                   dict[int, int]         days for which single chats are kept; 0: for ever
`exports`                     tuple[Export, ...]     files outside the database that commands wrote, with chats in them
============================  =====================  ==================================================================

Values are JSON in the table `facts`: numbers and texts as they are, times as ISO texts, dataclasses as objects without
the fields that are None. Names that this version does not know are left out when read, and fields that another version
did not write take their defaults where they have one; a field without a default has been written by every version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypeVar

from sqlalchemy import Engine, delete, select
from sqlalchemy.dialects.sqlite import insert as upsert

from userbot.domain.exclusions import Exclusion
from userbot.store.schema import facts

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Fact(Generic[T]):
    """One fact.

    Args:
        name: Its key in the database; never changes.
        read: Turns the stored JSON into the value.
        write: Turns the value into JSON.
    """

    name: str
    read: Callable[[Any], T]
    write: Callable[[T], Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonState:
    """What the daemon says of itself.

    Args:
        state: Such as `connected` or `stopped`.
        since: When that began.
        beat_at: Its last sign of life.
        pid: Its process.
    """

    state: str
    since: datetime
    beat_at: datetime
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PullState:
    """How far the newest pull is.

    Args:
        running: It is in progress.
        title: Chat being fetched.
        fetched: Messages seen in it.
        total: Messages that it has.
        waiting_s: Seconds that Telegram asks to wait.
        text: What came of it, for the owner.
    """

    running: bool = False
    title: str | None = None
    fetched: int = 0
    total: int = 0
    waiting_s: float = 0.0
    text: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PullMark:
    """How far the history of a chat was pulled.

    Args:
        newest: Greatest message id that was fetched.
        oldest: Smallest message id that was fetched; everything between the two is stored.
        done: The beginning of the chat was reached.
    """

    newest: int = 0
    oldest: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingState:
    """The training in progress, or the last one.

    Args:
        state: `training`, `judging`, `promoted`, `refused`, `failed`, `cancelled` or `interrupted`.
        reason: Why it was started.
        started_at: When.
        step: Updates done.
        total: Updates in all.
        loss: Nats a supervised token.
        eta_s: Seconds left.
        answered: Prompts answered at the gate.
        prompts: Prompts in all.
        pid: Process of the training.
        adapter_id: The new adapter.
        text: What came of it.
        report: Path of the likeness report.
    """

    state: str
    reason: str = ""
    started_at: datetime | None = None
    step: int | None = None
    total: int | None = None
    loss: float | None = None
    eta_s: float | None = None
    answered: int | None = None
    prompts: int | None = None
    pid: int | None = None
    adapter_id: str | None = None
    text: str | None = None
    report: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainWish:
    """A training that waits for its conditions.

    Args:
        reason: Why it was requested.
        waits: What it waits for; None before that was looked at.
        resume: It continues the run that was interrupted.
    """

    reason: str
    waits: str | None = None
    resume: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Export:
    """A file or folder that a command wrote, and that holds what was said in chats.

    Args:
        path: Absolute.
        chat_ids: Chats whose words are in it.
    """

    path: str
    chat_ids: tuple[int, ...]


def _write_values(value: Any) -> dict[str, Any]:
    values = {name: item for name, item in asdict(value).items() if item is not None}
    return {name: item.isoformat() if isinstance(item, datetime) else item for name, item in values.items()}


def _read_values(kind: type[T], stored: dict[str, Any]) -> T:
    # Names that this version does not know, as another one wrote them, are left out.
    is_time = {field.name: "datetime" in str(field.type) for field in fields(kind)}  # type: ignore[arg-type]  # a dataclass
    values = {name: item for name, item in stored.items() if name in is_time and item is not None}
    return kind(**{name: datetime.fromisoformat(item) if is_time[name] else item for name, item in values.items()})


def _of_values(name: str, kind: type[T]) -> Fact[T]:
    return Fact(name, partial(_read_values, kind), _write_values)


def _of_number(name: str) -> Fact[int]:
    return Fact(name, int, int)


def _of_text(name: str) -> Fact[str]:
    return Fact(name, str, str)


def _of_time(name: str) -> Fact[datetime]:
    return Fact(name, datetime.fromisoformat, datetime.isoformat)


def _read_by_chat(stored: dict[str, str]) -> dict[int, str]:
    return {int(chat_id): text for chat_id, text in stored.items()}


def _write_by_chat(value: dict[int, str]) -> dict[str, str]:
    return {str(chat_id): text for chat_id, text in value.items()}


OWNER_ID = _of_number("owner_id")
OWNER_NAME = _of_text("owner_name")
OWNER_USERNAME = _of_text("owner_username")
TERMS_SHOWN = _of_time("terms_shown")
PAUSED_UNTIL = _of_time("paused_until")
OWN_DRAFTS: Fact[dict[int, str]] = Fact("own_drafts", _read_by_chat, _write_by_chat)
COMMAND_ID = _of_number("command_id")
QUESTION_ID = _of_number("question_id")
DAEMON = _of_values("daemon", DaemonState)
PULL = _of_values("pull", PullState)
TRAINING = _of_values("training", TrainingState)
RETRAIN_WISH = _of_values("retrain_wanted", RetrainWish)
RETRAIN_SEEN_AT = _of_time("retrain_seen_at")
ROLLBACK_PROPOSED = _of_text("rollback_proposed")
DISCLOSURE_KEY = _of_text("disclosure_key")


OPTED_OUT: Fact[dict[int, tuple[int, ...]]] = Fact(
    "opted_out",
    lambda stored: {int(chat_id): tuple(ids) for chat_id, ids in stored.items()},
    lambda value: {str(chat_id): list(ids) for chat_id, ids in value.items()},
)
"""By group, the members who asked for no bot."""

KEEP_DAYS: Fact[dict[int, int]] = Fact(
    "keep_days",
    lambda stored: {int(chat_id): int(days) for chat_id, days in stored.items()},
    lambda value: {str(chat_id): days for chat_id, days in value.items()},
)
"""By chat, for how many days it is kept, where that differs from `CLONE_TRUST__KEEP_DAYS`; 0 keeps it for ever."""

EXCLUSIONS: Fact[tuple[Exclusion, ...]] = Fact(
    "exclusions",
    lambda stored: tuple(_read_values(Exclusion, values) for values in stored),
    lambda value: [_write_values(exclusion) for exclusion in value],
)


EXPORTS: Fact[tuple[Export, ...]] = Fact(
    "exports",
    lambda stored: tuple(Export(path=one["path"], chat_ids=tuple(one["chats"])) for one in stored),
    lambda value: [{"path": export.path, "chats": list(export.chat_ids)} for export in value],
)


def pull_mark(chat_id: int) -> Fact[PullMark]:
    """Return the fact that says how far a chat's history was pulled."""
    return _of_values(f"pull:{chat_id}", PullMark)


def reconciled_up_to(chat_id: int) -> Fact[int]:
    """Return the fact that names the message up to which a chat is complete."""
    return _of_number(f"reconciled:{chat_id}")


class FactRepository:
    """Reads and writes facts.

    Args:
        engine: An open engine.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def get(self, fact: Fact[T]) -> T | None:
        """Return a fact's value; None where nothing is remembered."""
        with self._engine.connect() as connection:
            row = connection.execute(select(facts.c.value).where(facts.c.key == fact.name)).first()
        return None if row is None else fact.read(row.value)

    def set(self, fact: Fact[T], value: T | None) -> None:
        """Remember a fact; None forgets it."""
        with self._engine.begin() as connection:
            if value is None:
                connection.execute(delete(facts).where(facts.c.key == fact.name))
                return
            statement = upsert(facts).values(key=fact.name, value=fact.write(value))
            changed = {"value": statement.excluded.value}
            connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changed))
