"""Events: what a training or comparison process reports, as typed values and as the JSON of its output and its log.

One event is one JSON object on one line. `"event"` names its kind; the other keys are the fields of the class:

==============  ===================  =============================================================
`"event"`       class                who reports it
==============  ===================  =============================================================
`note`          `Note`               everybody
`config`        `Configured`         a run, once, before it loads the base model
`data`          `DataCounted`        a run, once
`estimate`      `Estimated`          a run, once, before the first update
`step`          `Stepped`            a run, after each update
`evaluation`    `Evaluated`          a run, whenever the held-out samples were scored
`checkpoint`    `CheckpointSaved`    a run
`done`          `Finished`           a run that made an adapter; its last event
`answer`        `Answered`           a comparison, after each answer
`verdict`       `Judged`             a comparison that came to its end; its last event
`error`         `Failed`             a run or a comparison that failed; its last event
==============  ===================  =============================================================

Losses are nats per supervised token. This module imports nothing but the standard library, because the daemon and the
command line read events too and must not load torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from types import MappingProxyType
from typing import Any, ClassVar, TypeAlias

_NOTHING: Mapping[str, Any] = MappingProxyType({})


class EvaluationName(StrEnum):
    """Which state of the model an evaluation scored; the values are those of logs and manifests."""

    BEFORE = "before"
    """The base model without an adapter."""
    PARENT = "parent"
    """The adapter that training continues from, before the first update."""
    ACTIVE = "current"
    """The active adapter, which the new one is compared with."""
    DURING = "during"
    """The new adapter, between two updates."""
    AFTER = "after"
    """The new adapter, after the last update."""


@dataclass(frozen=True, slots=True)
class _Reportable:
    """An event; subclasses name their kind."""

    KIND: ClassVar[str]
    FORMER_KEYS: ClassVar[Mapping[str, str]] = _NOTHING
    """Keys of older logs, and the field that each is today."""

    def to_json(self) -> dict[str, Any]:
        """Return plain values: `event` and one key per field."""
        return {"event": self.KIND} | {_key(each): getattr(self, each.name) for each in fields(self)}


@dataclass(frozen=True, slots=True)
class Note(_Reportable):
    """A line for the owner, such as which attention implementation runs.

    Args:
        text: The line.
    """

    KIND: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured(_Reportable):
    """What a run trains.

    Args:
        run: Id of the run.
        base: Name of the base model.
        parent: Id of the adapter that it continues from; None starts afresh.
        config: The whole training configuration, as JSON.
    """

    KIND: ClassVar[str] = "config"
    run: str
    base: str
    parent: str | None = None
    config: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataCounted(_Reportable):
    """How much a run trains on.

    Args:
        samples: Training samples.
        turns: Turns of the owner in them.
        tokens: Tokens of one pass over them.
        supervised_tokens: Tokens that the loss is computed on; `learned_tokens` in JSON.
        held_out_turns: Turns of the owner that are kept for evaluation.
        masked: Private values that were replaced by placeholders, by kind.
    """

    KIND: ClassVar[str] = "data"
    samples: int
    turns: int
    tokens: int
    supervised_tokens: int = field(metadata={"key": "learned_tokens"})
    held_out_turns: int
    masked: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimated(_Reportable):
    """What a run is expected to need.

    Args:
        memory_gib: Memory by part and in `total`, GiB; None where it could not be estimated.
        max_pack_tokens: Tokens of one forward pass.
        checkpointing: Activations are recomputed rather than kept.
        updates: Optimiser updates.
        tokens: Tokens of all updates.
        tokens_per_s: Measured speed, tokens per second.
        seconds: Expected duration of all updates, s.
    """

    KIND: ClassVar[str] = "estimate"
    FORMER_KEYS: ClassVar[Mapping[str, str]] = MappingProxyType({"row_tokens": "max_pack_tokens"})
    memory_gib: Mapping[str, float] | None = None
    max_pack_tokens: int
    checkpointing: bool
    updates: int
    tokens: int
    tokens_per_s: float | None = None
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stepped(_Reportable):
    """An update was done.

    Args:
        step: Updates done, this one included.
        total: Updates of the whole run.
        loss: Mean loss of the update, nats per supervised token.
        learning_rate: Learning rate of the update.
        tokens_per_s: Speed since the process began to train, tokens per second.
        memory_bytes: Most memory that the process has held, bytes: on the GPU, else in main memory.
        eta_s: Expected time left, s.
    """

    KIND: ClassVar[str] = "step"
    step: int
    total: int | None = None
    loss: float
    learning_rate: float | None = None
    tokens_per_s: float | None = None
    memory_bytes: int | None = None
    eta_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluated(_Reportable):
    """The held-out samples were scored.

    Args:
        name: Which state of the model was scored.
        step: Updates done before.
        loss: Nats per supervised token, which compares adapters of one base.
        bits_per_char: Bits per character of supervised text, which compares bases with different tokenizers.
        tokens: Supervised tokens scored.
        characters: Characters that they stand for.
    """

    KIND: ClassVar[str] = "evaluation"
    name: EvaluationName
    step: int
    loss: float
    bits_per_char: float | None = None
    tokens: int | None = None
    characters: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckpointSaved(_Reportable):
    """A checkpoint was written.

    Args:
        step: Updates done before it.
    """

    KIND: ClassVar[str] = "checkpoint"
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished(_Reportable):
    """A run put its adapter on the shelf.

    Args:
        adapter_id: The new adapter.
        worse: Its held-out loss is higher than that of the adapter that it was compared with.
        metrics: As in the adapter's manifest.
    """

    KIND: ClassVar[str] = "done"
    adapter_id: str
    worse: bool = False
    metrics: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered(_Reportable):
    """One prompt of a comparison was answered.

    Args:
        answered: Prompts answered so far, of both adapters.
        prompts: Prompts in all, of both adapters.
    """

    KIND: ClassVar[str] = "answer"
    answered: int
    prompts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged(_Reportable):
    """The gate decided about a new adapter.

    Args:
        passed: It may be activated.
        summary: The decision, as one sentence for the owner.
        report: Path of the likeness report; None where none was written.
        picture: Path of its summary as PNG; None where none was drawn.
    """

    KIND: ClassVar[str] = "verdict"
    passed: bool
    summary: str = ""
    report: str | None = None
    picture: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed(_Reportable):
    """A run or a comparison ended without a result.

    Args:
        text: What happened and how to repair it, for the owner.
        exit_code: Code that the process exits with, of `userbot.domain.errors.ExitCode`.
    """

    KIND: ClassVar[str] = "error"
    text: str
    exit_code: int = 1


Event: TypeAlias = (
    Note
    | Configured
    | DataCounted
    | Estimated
    | Stepped
    | Evaluated
    | CheckpointSaved
    | Finished
    | Answered
    | Judged
    | Failed
)

EVENT_TYPES: tuple[type[Event], ...] = Event.__args__
_BY_KIND: Mapping[Any, type[Event]] = {each.KIND: each for each in EVENT_TYPES}


def event_from_json(values: Any) -> Event | None:
    """Read what `to_json` returned, of this version or an older one.

    Args:
        values: A decoded line of JSON, of whatever kind.

    Returns:
        The event, without keys that this version does not know; None where it is no event, or an incomplete one.
    """
    if not isinstance(values, Mapping) or not isinstance(values.get("event"), str):
        return None
    kind = _BY_KIND.get(values["event"])
    if kind is None:
        return None
    names = {**kind.FORMER_KEYS, **{_key(each): each.name for each in fields(kind)}}
    known = {names[key]: value for key, value in values.items() if key in names}
    try:
        if kind is Evaluated:
            known["name"] = EvaluationName(known["name"])
        return kind(**known)
    except (KeyError, TypeError, ValueError):  # a key is missing, or the evaluation has a name of another version
        return None


def parse_event(line: str | bytes) -> Event | None:
    """Read one line of a log or of a process's output.

    Returns:
        The event; None where the line is not JSON, or no event of this version.
    """
    try:
        return event_from_json(json.loads(line))
    except ValueError:
        return None


def _key(each: Any) -> str:
    key: str = each.metadata.get("key", each.name)
    return key
