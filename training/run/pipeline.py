"""One training run, from the store to an adapter on the shelf. Light to import: torch is loaded when it starts."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from training.config import TrainConfig
from training.events import Configured, DataCounted, Finished, Note
from training.extras import check_extras
from training.progress import Broadcast, JsonLines, NoProgress, Progress, plot_loss, read_events
from training.run.consent import ConsentWatch, find_withdrawn
from userbot.config.home import HomePaths
from userbot.domain.errors import ConfigError
from userbot.domain.plural import format_count
from userbot.store.adapters import AdapterShelf, Manifest, check_base

if TYPE_CHECKING:
    from userbot.store import Store
    from userbot.store.runs import RunFolder


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
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = _never,
    clock: Callable[[], datetime] = _utc_now,
) -> Manifest:
    """Build the data set, train an adapter, evaluate it, and put it on the shelf. Promoting it is up to the caller.

    Args:
        store: Chats and messages.
        config: From `make_config`.
        paths: Folders to read and write.
        parent: Adapter to go on from; None starts afresh, and so does a parent that has learned from a chat whose
            consent was withdrawn.
        progress: Who is told; the run's log is written in any case.
        should_stop: Asked between forward passes; True writes a checkpoint and ends the run.
        clock: Tells the time, aware.

    Returns:
        The manifest. `metrics["worse"]` tells whether held-out loss is higher than that of the adapter in service, or
        of the bare base where there is none on the same base.

    Raises:
        ConfigError: The base can't be had, or a setting does not fit.
        TooLittleDataError: There is too little to learn from.
        ConsentError: No chat has consent, or one was withdrawn while it was learned from.
        NoAdapterError: There is no such parent.
        BaseMismatchError: The parent was trained on another base.
        NotQuantisedError: 4 bit can't be applied.
        OutOfMemoryError: It does not fit.
        TrainingStoppedError: `should_stop` said so; `resume` goes on.
        MissingExtraError: Packages are missing.
    """
    check_extras(*(["bitsandbytes"] if config.load_in_4bit or config.optimizer != "adamw" else []))
    from training.config import adapt_to_base
    from training.data.prepare import prepare_data
    from training.model.base import load_tokenizer, resolve_base
    from userbot.store.runs import RUNNING, RunFolder

    base = resolve_base(config.base, models_dir=paths.models)
    adapted, note = adapt_to_base(config, base.name)
    run = RunFolder.create(paths.runs, clock())
    with run.log.open("w", encoding="utf-8") as file:
        run.log.chmod(0o600)
        _claim(run, file)
        told = Broadcast(JsonLines(file), progress or NoProgress())
        for line in (base.reason, note):
            if line:
                told.report(Note(line))
        try:
            known = None if parent is None else _find_known(store, AdapterShelf(paths.adapters), parent, told)
            data = prepare_data(store, adapted, tokenizer=load_tokenizer(base), folder=run.path, parent=known)
        except BaseException:
            shutil.rmtree(run.path)  # nothing to resume
            raise
        run.write(
            state=RUNNING,
            base=base.name,
            parent=known.id if known else None,
            config=adapted.model_dump(mode="json"),
            data=data,
        )
        watch = ConsentWatch(store, data, run.path, should_stop=should_stop)
        return _finish(run, paths=paths, progress=told, watch=watch, clock=clock)


def resume(
    store: Store,
    paths: HomePaths,
    *,
    progress: Progress | None = None,
    should_stop: Callable[[], bool] = _never,
    clock: Callable[[], datetime] = _utc_now,
) -> Manifest:
    """Go on with the newest run that was stopped or died, with its own configuration and data.

    Where a consent was withdrawn since, the run is deleted.

    Args:
        store: Knows which chats may still be learned from.
        paths: As for `train`, like everything else.
        progress: Who is told.
        should_stop: Asked between forward passes.
        clock: Tells the time, aware.

    Raises:
        ConfigError: There is no such run, or another process works on it.
        ConsentError: A consent was withdrawn.
    """
    check_extras()
    from userbot.store.runs import RunFolder

    run = RunFolder.find_unfinished(paths.runs)
    with run.log.open("a", encoding="utf-8") as file:
        _claim(run, file)
        watch = ConsentWatch(store, run.read()["data"], run.path, should_stop=should_stop)
        watch.check()
        told = Broadcast(JsonLines(file), progress or NoProgress())
        told.report(Note(f"resuming run {run.id}"))
        return _finish(run, paths=paths, progress=told, watch=watch, clock=clock)


def _find_known(store: Store, shelf: AdapterShelf, parent: str, progress: Progress) -> Manifest | None:
    manifest = shelf.get(parent)
    withdrawn = find_withdrawn(store, manifest.data)
    if not withdrawn:
        return manifest
    progress.report(
        Note(
            f"starting afresh, not from {parent}, which learned from {format_count(len(withdrawn), 'chat')} that "
            f"{'has' if len(withdrawn) == 1 else 'have'} no consent now"
        )
    )
    return None


def _claim(run: RunFolder, log: IO[str]) -> None:
    # Two processes would write one another's checkpoints; the system lets go of the lock with the file.
    try:
        fcntl.flock(log, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as exc:
        raise ConfigError(
            f"Another process works on run {run.id}, so there is nothing to resume. Wait for its end; `clone status` "
            f"shows a training of the daemon."
        ) from exc


def _finish(
    run: RunFolder,
    *,
    paths: HomePaths,
    progress: Progress,
    watch: ConsentWatch,
    clock: Callable[[], datetime],
) -> Manifest:
    from training.loop.session import TrainingSession, list_versions
    from userbot.store.adapters import new_id
    from userbot.store.runs import DONE

    saved = run.read()
    config = TrainConfig.model_validate(saved["config"])
    shelf = AdapterShelf(paths.adapters)
    progress.report(Configured(run=run.id, base=saved["base"], parent=saved["parent"], config=saved["config"]))
    progress.report(_count(saved["data"]))
    learner = TrainingSession.load(
        config,
        base=saved["base"],
        models=paths.models,
        run=run,
        parent=_find_parent(shelf, saved["parent"], saved["base"]),
        current=_find_current(shelf, saved["base"]),
        progress=progress,
    )
    try:
        metrics = learner.learn(should_stop=watch.should_stop)
    finally:
        watch.check()
    now = clock()
    manifest = Manifest(
        id=new_id(now),
        base=saved["base"],
        created_at=now.isoformat(timespec="seconds"),
        text_format=saved["data"]["text_format"],
        config=saved["config"],
        data=saved["data"],
        metrics=metrics,
        versions=list_versions(),
        parent=saved["parent"],
    )
    with shelf.write(manifest) as folder:
        learner.save_adapter(folder)
    plot_loss(read_events(run.log), run.path / "loss.png")
    run.write(state=DONE, adapter_id=manifest.id)
    run.clear()
    progress.report(Finished(adapter_id=manifest.id, worse=metrics["worse"], metrics=metrics))
    return shelf.get(manifest.id)


def _count(data: Mapping[str, Any]) -> DataCounted:
    train = data["train"]
    return DataCounted(
        samples=train["samples"],
        turns=train["turns"],
        tokens=train["tokens"],
        supervised_tokens=train["learned_tokens"],
        held_out_turns=data["held_out"]["turns"],
    )


def _find_parent(shelf: AdapterShelf, parent: str | None, base: str) -> Path | None:
    if parent is None:
        return None
    check_base(shelf.verify(parent), base)
    return shelf.path(parent)


def _find_current(shelf: AdapterShelf, base: str) -> Path | None:
    current = shelf.active()
    return shelf.path(current.id) if current is not None and current.base == base else None
