"""One training run, from the store to an adapter on the shelf. Light to import: torch is loaded when a run starts."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from training.config import TrainConfig, adapt_to_base
from training.events import Configured, DataCounted, Finished, Note
from training.extras import check_extras
from training.progress import Broadcast, JsonLines, NoProgress, Progress, plot_loss, read_events
from training.run.consent import ConsentWatch
from userbot.config.home import HomePaths
from userbot.domain.errors import ConfigError
from userbot.domain.plural import format_count
from userbot.store.adapters import AdapterShelf, Manifest, check_base, new_id
from userbot.store.runs import HELD_OUT, TRAIN, RunFolder, RunRecord, RunState, list_unfinished

if TYPE_CHECKING:
    from training.model.base import BaseModel
    from userbot.store import Store


def _utc_now() -> datetime:
    return datetime.now(UTC)


def _never() -> bool:
    return False


def train(
    store: Store,
    config: TrainConfig,
    *,
    paths: HomePaths,
    parent: str | None = None,
    notes: Sequence[str] = (),
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = _never,
    clock: Callable[[], datetime] = _utc_now,
) -> Manifest:
    """Build the data set, train an adapter, evaluate it, and put it on the shelf. Activating it is up to the caller.

    Args:
        store: Chats and messages.
        config: From `make_config`.
        paths: Of the home folder.
        parent: Id of the adapter to continue from; None starts afresh, and so does a parent that was trained on a chat
            whose consent was withdrawn.
        notes: Lines to report first, such as settings that were given under former names.
        progress: Receives the events, as the run's log does.
        should_stop: Asked between forward passes; True writes a checkpoint and ends the run.
        clock: Returns the time, aware.

    Returns:
        The manifest. `metrics["worse"]` tells whether held-out loss is higher than that of the active adapter, or of
        the bare base where no adapter is active on the same base.

    Raises:
        ConfigError: The base can't be had, or a setting does not fit.
        TooLittleDataError: There is too little to train on.
        ConsentError: No chat has consent, or one was withdrawn during the run.
        NoAdapterError: There is no such parent.
        BaseMismatchError: The parent was trained on another base.
        NotQuantisedError: 4 bit can't be applied.
        OutOfMemoryError: It does not fit.
        TrainingStoppedError: `should_stop` returned True; `resume` continues the run.
        MissingExtraError: Packages are missing.
    """
    check_extras(*(["bitsandbytes"] if config.load_in_4bit or config.optimizer != "adamw" else []))
    from training.model.base import resolve_base

    base = resolve_base(config.base, models_dir=paths.models)
    adapted, note = adapt_to_base(config, base.name)
    folder = RunFolder.create(paths.runs, clock())
    with folder.claim() as log:
        reported = Broadcast(JsonLines(log), progress or NoProgress())
        _report_notes(reported, *notes, base.reason, note)
        try:
            known = _find_parent(store, AdapterShelf(paths.adapters), parent, reported)
            record = _prepare(store, adapted, base, folder, known)
        except BaseException:
            folder.remove()  # it holds nothing to resume
            raise
        folder.write(record)
        watch = ConsentWatch(store, record.data, folder, should_stop=should_stop)
        return _Run(folder, record, paths, reported, clock).finish(watch)


def resume(
    store: Store,
    paths: HomePaths,
    *,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = _never,
    clock: Callable[[], datetime] = _utc_now,
) -> Manifest:
    """Continue the newest run that was stopped or died, with its own configuration and data.

    Args:
        store: Knows which chats may still be trained on.
        paths: Of the home folder.
        progress: Receives the events, as the run's log does.
        should_stop: Asked between forward passes.
        clock: Returns the time, aware.

    Returns:
        The manifest, as from `train`.

    Raises:
        ConfigError: There is no such run, or another process works on it.
        ConsentError: A consent was withdrawn; the run is deleted.
        CloneError: As from `train`.
    """
    check_extras()
    unfinished = list_unfinished(paths.runs)
    if not unfinished:
        raise ConfigError("No training run was interrupted, so there is nothing to resume. Start one: clone train")
    folder, record = unfinished[-1]
    with folder.claim() as log:
        watch = ConsentWatch(store, record.data, folder, should_stop=should_stop)
        watch.check()
        reported = Broadcast(JsonLines(log), progress or NoProgress())
        _report_notes(reported, f"resuming run {folder.id}")
        return _Run(folder, record, paths, reported, clock).finish(watch)


@dataclass(frozen=True, slots=True)
class _Run:
    """A run whose data is prepared."""

    folder: RunFolder
    record: RunRecord
    paths: HomePaths
    progress: Progress
    clock: Callable[[], datetime]

    def finish(self, watch: ConsentWatch) -> Manifest:
        """Train to the end and write the adapter."""
        from training.loop.session import TrainingSession

        record, shelf = self.record, AdapterShelf(self.paths.adapters)
        self.progress.report(
            Configured(run=self.folder.id, base=record.base, parent=record.parent, config=record.config)
        )
        self.progress.report(count_data(record.data))
        session = TrainingSession.load(
            TrainConfig.model_validate(record.config),
            base=record.base,
            models=self.paths.models,
            run=self.folder,
            parent=_find_weights(shelf, record.parent, record.base),
            active=_find_active(watch.store, shelf, record.base),
            progress=self.progress,
        )
        try:
            metrics = session.train(should_stop=watch.should_stop)
        finally:
            watch.check()
        manifest = self._make_manifest(metrics)
        with shelf.write(manifest) as folder:
            session.save_adapter(folder)
        plot_loss(read_events(self.folder.log), self.folder.loss_plot)
        self.folder.write(replace(record, state=RunState.DONE, adapter_id=manifest.id))
        self.folder.clear()
        self.progress.report(Finished(adapter_id=manifest.id, worse=metrics["worse"], metrics=metrics))
        return shelf.get(manifest.id)

    def _make_manifest(self, metrics: Mapping[str, Any]) -> Manifest:
        from training.loop.session import list_versions

        now = self.clock()
        return Manifest(
            id=new_id(now),
            base=self.record.base,
            created_at=now.isoformat(timespec="seconds"),
            text_format=self.record.data["text_format"],
            config=self.record.config,
            data=self.record.data,
            metrics=metrics,
            versions=list_versions(),
            parent=self.record.parent,
        )


def count_data(data: Mapping[str, Any]) -> DataCounted:
    """Return how much a run trains on.

    Args:
        data: Of a run's record, as `training.data.prepare.prepare_data` returns it.
    """
    train = data[TRAIN]
    return DataCounted(
        samples=train["samples"],
        turns=train["turns"],
        tokens=train["tokens"],
        supervised_tokens=train["learned_tokens"],
        held_out_turns=data[HELD_OUT]["turns"],
        masked=data.get("masked", {}),
    )


def _report_notes(progress: Progress, *lines: str | None) -> None:
    for line in lines:
        if line:
            progress.report(Note(line))


def _prepare(
    store: Store, config: TrainConfig, base: BaseModel, folder: RunFolder, parent: Manifest | None
) -> RunRecord:
    """Write the samples into the run's folder, and return the record of a run that can be resumed."""
    from training.data.prepare import prepare_data
    from training.model.base import load_tokenizer

    data = prepare_data(store, config, tokenizer=load_tokenizer(base), folder=folder.path, parent=parent)
    return RunRecord(
        state=RunState.RUNNING,
        base=base.name,
        parent=parent.id if parent else None,
        config=config.model_dump(mode="json"),
        data=data,
    )


def _find_parent(store: Store, shelf: AdapterShelf, parent: str | None, progress: Progress) -> Manifest | None:
    """Return the manifest to continue from; None starts afresh."""
    if parent is None:
        return None
    manifest = shelf.get(parent)
    withdrawn = store.consents.find_withdrawn(manifest.data)
    if not withdrawn:
        return manifest
    chats, have = format_count(len(withdrawn), "chat"), "has" if len(withdrawn) == 1 else "have"
    progress.report(Note(f"starting afresh, not from {parent}, which learned from {chats} that {have} no consent now"))
    return None


def _find_weights(shelf: AdapterShelf, parent: str | None, base: str) -> Path | None:
    if parent is None:
        return None
    check_base(shelf.verify(parent), base)
    return shelf.path(parent)


def _find_active(store: Store, shelf: AdapterShelf, base: str) -> Path | None:
    """Return the adapter to be better than: the active one on this base, unless it is stale."""
    active = shelf.active()
    if active is None or active.base != base or store.consents.find_withdrawn(active.data):
        return None
    return shelf.path(active.id)
