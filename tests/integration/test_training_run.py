"""From a store to an adapter on the shelf: the run, its log, its manifest, stopping and resuming."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes import START, FakeClock
from models import make_base

from training.config import TrainConfig, make_config
from training.events import Estimated, Evaluated, EvaluationName, Event, Finished, Note, Stepped
from training.progress import RecordedProgress, read_events
from training.run import consent
from training.run.pipeline import resume, train
from training.serving.clone_model import CloneModel
from userbot.config.home import HomePaths
from userbot.domain.errors import (
    BaseMismatchError,
    ConfigError,
    ConsentError,
    TooLittleDataError,
    TrainingStoppedError,
)
from userbot.domain.messages import Chat, ChatKind, Message, Origin, Turn
from userbot.domain.sampling import Sampling
from userbot.store import Store
from userbot.store.adapters import AdapterShelf

SESSIONS = 30


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


@pytest.fixture
def paths(home: Path) -> HomePaths:
    return HomePaths(home)


@pytest.fixture
def filled(home: Path, clock: FakeClock) -> Iterator[Store]:
    """Open a store with two chats in which the owner always answers alike."""
    with Store.open(home / "clone.db", clock) as store:
        for chat_id in (101, 102):
            store.chats.save([Chat(id=chat_id, kind=ChatKind.PRIVATE, title="somebody")])
            store.consents.give(chat_id, by="them")
            store.messages.add(talk(chat_id))
        yield store


def talk(chat_id: int, *, first: int = 0, last: int = SESSIONS) -> Iterator[Message]:
    number = 4 * first
    for session in range(first, last):
        for turn in range(4):
            number += 1
            mine = turn % 2 == 1
            yield Message(
                chat_id=chat_id,
                id=number,
                origin=Origin.OWNER if mine else Origin.CONTACT,
                sent_at=START + timedelta(days=session, minutes=turn),
                text=f"yes {session} {turn})))" if mine else f"question {session} {turn} of {chat_id}?",
            )


def configure(base: Path, **values: Any) -> TrainConfig:
    small = {"lora": {"r": 4}, "batch_tokens": 512, "warmup_steps": 1, "learning_rate": 0.01, "epochs": 1}
    data = {"chat_share": 1.0, "max_tokens": 256, "min_turns": 10}
    return make_config(
        "default", {"base": str(base), "compute_dtype": "float32", "data": data, "save_every": 2}, small, values
    )


def test_a_run_ends_with_an_adapter_that_knows_its_own_history(
    filled: Store, base: Path, paths: HomePaths, clock: FakeClock
) -> None:
    heard = RecordedProgress()
    renamed = "CLONE_X is called CLONE_Y now; the former name still works."
    manifest = train(filled, configure(base), paths=paths, notes=(renamed,), progress=heard, clock=clock)
    shelf = AdapterShelf(paths.adapters)
    assert shelf.verify(manifest.id) == manifest
    assert set(manifest.files) == {"adapter_config.json", "adapter_model.safetensors"}
    assert shelf.active() is None, "activating is the caller's decision"

    assert (manifest.base, manifest.parent, manifest.text_format) == (str(base), None, "chat")
    assert manifest.config["lora"]["r"] == 4
    assert {"torch", "transformers", "peft", "bitsandbytes"} <= set(manifest.versions)
    train_data, held_out = manifest.data["train"], manifest.data["held_out"]
    assert train_data["turns"] + held_out["turns"] == 2 * 2 * SESSIONS
    assert set(train_data["chats"]) == {"101", "102"}
    ranges = train_data["chats"]["101"]
    assert (ranges["first_id"], ranges["last_id"]) == (2, 2 * (ranges["turns"]))
    metrics = manifest.metrics
    assert metrics["after"]["loss"] < metrics["before"]["loss"] - 0.3
    assert metrics["after"]["bits_per_char"] < metrics["before"]["bits_per_char"]
    assert metrics["worse"] is False
    assert set(metrics["after"]["chats"]) <= {"101", "102"}

    written = (shelf.path(manifest.id) / "adapter_config.json").read_text()
    assert json.loads(written)["base_model_name_or_path"] == str(base)
    assert "somebody" not in (shelf.path(manifest.id) / "manifest.json").read_text()

    clone = CloneModel.load(None, shelf.path(manifest.id), models_dir=paths.models, compute_dtype="float32")
    reply = clone.reply((Turn(False, ("question 1 2 of 101?",)),), sampling=Sampling(temperature=0, max_new_tokens=8))
    assert reply.adapter_id == manifest.id

    run = next(paths.runs.iterdir())
    assert read_events(run / "log.jsonl") == heard.events
    assert (run / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert sorted(path.name for path in run.iterdir()) == ["log.jsonl", "loss.png", "run.json"]
    assert heard.events[0] == Note(renamed)
    assert heard.events[-1] == Finished(adapter_id=manifest.id, worse=False, metrics=metrics)
    assert [event.name for event in heard.of(Evaluated)] == [EvaluationName.BEFORE, EvaluationName.AFTER]
    [estimate] = heard.of(Estimated)
    assert estimate.memory_gib and estimate.tokens_per_s and estimate.seconds
    step = heard.of(Stepped)[-1]
    assert step.step == step.total == metrics["updates"]
    assert step.learning_rate is not None and step.memory_bytes and step.eta_s == 0


def test_a_stopped_run_resumes_with_the_same_losses(filled: Store, base: Path, paths: HomePaths, home: Path) -> None:
    config = configure(base, lora={"r": 4, "dropout": 0.1}, epochs=2)
    whole = RecordedProgress()
    other = HomePaths(home / "other")
    expected = train(filled, config, paths=other, progress=whole)

    first, rest = RecordedProgress(), RecordedProgress()
    with pytest.raises(TrainingStoppedError):
        train(filled, config, paths=paths, progress=first, should_stop=lambda: len(first.of(Stepped)) >= 3)
    filled.messages.add(
        talk(101, first=SESSIONS, last=2 * SESSIONS)
    )  # what comes in later does not change a run that has begun
    manifest = resume(filled, paths, progress=rest)

    def losses(heard: RecordedProgress) -> list[float]:
        return [event.loss for event in heard.of(Stepped)]

    assert losses(first) + losses(rest) == losses(whole)
    assert manifest.metrics["after"] == expected.metrics["after"]
    assert manifest.data == expected.data
    with pytest.raises(ConfigError, match=r"^No training run was interrupted"):
        resume(filled, paths)


def test_a_stopped_run_is_not_resumed_without_consent(filled: Store, base: Path, paths: HomePaths) -> None:
    with pytest.raises(TrainingStoppedError):
        train(filled, configure(base), paths=paths, should_stop=lambda: True)
    [run] = paths.runs.iterdir()
    with (run / "log.jsonl").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(ConfigError, match=f"^Another process works on run {run.name}"):
            resume(filled, paths)
    filled.consents.take_back(102)
    with pytest.raises(ConsentError) as caught:
        resume(filled, paths)
    assert str(caught.value) == (
        f"Run {run.name} learned from 1 chat whose consent was withdrawn, so it has ended, and its data is deleted. "
        f"Start afresh without it: clone train"
    )
    assert list(paths.runs.iterdir()) == []
    with pytest.raises(ConfigError, match=r"^No training run was interrupted"):
        resume(filled, paths)


def test_consent_withdrawn_while_it_trains_ends_the_run_and_deletes_its_data(
    filled: Store, base: Path, paths: HomePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent, "CHECK_INTERVAL_S", 0.0)

    class Withdrawing(RecordedProgress):
        def report(self, event: Event) -> None:
            super().report(event)
            if isinstance(event, Stepped) and event.step == 2:
                filled.consents.take_back(102)

    heard = Withdrawing()
    with pytest.raises(ConsentError, match=r"learned from 1 chat whose consent was withdrawn, so it has ended"):
        train(filled, configure(base, epochs=4), paths=paths, progress=heard)
    assert len(heard.of(Stepped)) == 2 < (heard.of(Stepped)[0].total or 0)
    assert list(paths.runs.iterdir()) == [] and AdapterShelf(paths.adapters).all() == []


def test_consent_withdrawn_after_the_last_update_leaves_no_adapter(filled: Store, base: Path, paths: HomePaths) -> None:
    class Withdrawing(RecordedProgress):
        def report(self, event: Event) -> None:
            super().report(event)
            if isinstance(event, Evaluated) and event.name is EvaluationName.AFTER:
                filled.consents.take_back(102)

    with pytest.raises(ConsentError):
        train(filled, configure(base, max_steps=1), paths=paths, progress=Withdrawing())
    assert list(paths.runs.iterdir()) == [] and AdapterShelf(paths.adapters).all() == []


def test_interrupted_run_is_deleted_when_a_consent_is_withdrawn(filled: Store, base: Path, paths: HomePaths) -> None:
    with pytest.raises(TrainingStoppedError):
        train(filled, configure(base), paths=paths, should_stop=lambda: True)
    [run] = paths.runs.iterdir()
    assert consent.forget_runs(filled, paths.runs) == 0
    filled.consents.take_back(102)
    with (run / "log.jsonl").open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert consent.forget_runs(filled, paths.runs) == 0, "another process works on it, and will notice"
    assert consent.forget_runs(filled, paths.runs) == 1
    assert list(paths.runs.iterdir()) == []


def test_training_continues_from_a_parent_and_is_compared_with_the_active_adapter(
    filled: Store, base: Path, paths: HomePaths, home: Path
) -> None:
    first = train(filled, configure(base, epochs=3), paths=paths)
    shelf = AdapterShelf(paths.adapters)
    shelf.activate(first.id)
    filled.messages.add(talk(101, first=SESSIONS, last=SESSIONS + 20))
    second = train(filled, configure(base, learning_rate=1e-9), paths=paths, parent=first.id)
    assert second.parent == first.id
    metrics = second.metrics
    assert metrics["parent"]["loss"] < metrics["before"]["loss"] - 0.3
    assert metrics["current"] == metrics["parent"]
    assert metrics["after"]["loss"] == pytest.approx(metrics["parent"]["loss"], rel=1e-4)

    afresh = train(filled, configure(base, max_steps=1, learning_rate=1e-9), paths=paths)
    assert afresh.metrics["current"]["loss"] == pytest.approx(metrics["parent"]["loss"], rel=1e-4)
    assert afresh.metrics["worse"] is True

    foreign = make_base(home / "foreign", seed=5)
    with pytest.raises(BaseMismatchError):
        train(filled, configure(foreign), paths=paths, parent=first.id)


def test_training_does_not_continue_from_an_adapter_of_a_chat_without_consent(
    filled: Store, base: Path, paths: HomePaths
) -> None:
    first = train(filled, configure(base, max_steps=1), paths=paths)
    assert set(first.data["train"]["chats"]) == {"101", "102"}
    filled.consents.take_back(102)
    heard = RecordedProgress()
    second = train(filled, configure(base, max_steps=1), paths=paths, parent=first.id, progress=heard)
    assert second.parent is None
    assert set(second.data["train"]["chats"]) == {"101"}
    texts = [event.text for event in heard.of(Note)]
    assert f"starting afresh, not from {first.id}, which learned from 1 chat that has no consent now" in texts


def test_too_little_data_leaves_no_run_behind(home: Path, paths: HomePaths, base: Path, clock: FakeClock) -> None:
    with Store.open(home / "clone.db", clock) as store:
        store.chats.save([Chat(id=101, kind=ChatKind.PRIVATE, title="x")])
        store.consents.give(101, by="them")
        store.messages.add(list(talk(101))[:6])
        with pytest.raises(TooLittleDataError):
            train(store, configure(base), paths=paths)
    assert list(paths.runs.iterdir()) == []


def start(home: Path, base: Path, *more: str) -> subprocess.Popen[str]:
    settings = ["base=" + str(base), "compute_dtype=float32", "batch_tokens=256", "lora.r=4", "data.max_tokens=128"]
    flags = [part for setting in (*settings, "data.chat_share=1.0") for part in ("--set", setting)]
    return subprocess.Popen(
        [sys.executable, "-m", "training", "--home", str(home), *flags, *more],
        stdout=subprocess.PIPE,
        text=True,
        env={key: value for key, value in os.environ.items() if not key.startswith("CLONE_")},
    )


def listen(process: subprocess.Popen[str]) -> Iterator[dict[str, Any]]:
    assert process.stdout is not None
    for line in process.stdout:
        yield json.loads(line)


def test_the_process_stops_on_a_signal_and_its_run_can_be_resumed(
    filled: Store, home: Path, base: Path, paths: HomePaths
) -> None:
    filled.close()
    events = []
    with start(home, base, "--set", "epochs=200") as process:
        for event in listen(process):
            events.append(event)
            if event["event"] == "step" and event["step"] == 2:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 130
    assert events[-1]["event"] == "error"
    assert "`clone train --resume` continues from there." in events[-1]["text"]
    assert events[-2]["event"] == "checkpoint"

    done = events[-2]["step"]
    run = next(paths.runs.glob("*/run.json"))
    values = json.loads(run.read_text())
    values["config"]["max_steps"] = done + 2  # else it would take minutes
    run.write_text(json.dumps(values))
    heard = RecordedProgress()
    manifest = resume(filled, paths, progress=heard)
    assert [event.step for event in heard.of(Stepped)] == [done + 1, done + 2]
    assert AdapterShelf(paths.adapters).verify(manifest.id).base == str(base)


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--set", "epochs=0"], 2, "The training setting epochs is 0, but must be a number above 0."),
        (["--preset", "nope"], 2, "Unknown preset 'nope': choose one of default, tiny, small, article with --preset."),
        (["--set", "epochs"], 2, "'epochs' is no setting: write --set NAME=VALUE, such as --set epochs=2"),
        (
            ["--set", "data.min_turns=5000"],
            3,
            "of yours can be learned; at least 5000 are needed, and 2,000",
        ),
        (["--resume"], 2, "No training run was interrupted, so there is nothing to resume. Start one: clone train"),
        (["--parent", "20260101-000000-abcd"], 2, "No adapter has the id '20260101-000000-abcd'."),
    ],
)
def test_exit_codes_say_what_is_wrong(
    filled: Store,
    home: Path,
    base: Path,
    arguments: list[str],
    code: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.__main__ import main

    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the handlers of the test run stay
    flags = [] if "--resume" in arguments else ["--set", f"base={base}"]
    assert main(["--home", str(home), *flags, *arguments]) == code
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("error", code)
    assert text in last["text"]


def test_a_worse_adapter_is_kept_and_exits_with_4(
    filled: Store, home: Path, base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from training.__main__ import main

    monkeypatch.setattr(signal, "signal", lambda *_: None)
    settings = [f"base={base}", "learning_rate=5.0", "warmup_steps=0", "max_steps=1", "data.chat_share=1.0"]
    flags = [part for setting in settings for part in ("--set", setting)]
    assert main(["--home", str(home), *flags]) == 4
    last = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (last["event"], last["worse"]) == ("done", True)
    assert AdapterShelf(home / "adapters").get(last["adapter_id"]).metrics["worse"] is True
