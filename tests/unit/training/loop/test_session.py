"""A session: base and adapters scored, training between, and an adapter on disk that names its base."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from models import invent_samples

from training.config import make_config
from training.data.tokens import flatten
from training.events import Estimated, Evaluated, Note
from training.loop.session import TrainingSession, list_versions, name_base
from training.progress import RecordedProgress
from userbot.domain.errors import BaseMismatchError, TrainingStoppedError
from userbot.store.runs import HELD_OUT, TRAIN, RunFolder


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.create(tmp_path / "runs", datetime(2026, 11, 25, tzinfo=UTC))
    flatten(invent_samples([23, 7, 40, 12, 31, 18])).save(folder.path / TRAIN)
    flatten(invent_samples([9, 14], seed=1), chats=[1, 2], count=len).save(folder.path / HELD_OUT)
    return folder


def load(
    base: Path, run: RunFolder, *, parent: Path | None = None, active: Path | None = None, **values: Any
) -> TrainingSession:
    settings = {"batch_tokens": 80, "learning_rate": 0.02, "warmup_steps": 1, "epochs": 2, "lora": {"r": 4}}
    return TrainingSession.load(
        make_config("default", settings, values),
        base=str(base),
        models=run.path,
        run=run,
        parent=parent,
        active=active,
        progress=RecordedProgress(),
    )


def read_names(session: TrainingSession) -> list[tuple[str, int]]:
    assert isinstance(session.progress, RecordedProgress)
    return [(event.name.value, event.step) for event in session.progress.of(Evaluated)]


def save(session: TrainingSession, folder: Path) -> Path:
    folder.mkdir()
    session.save_adapter(folder)
    return folder


def test_training_lowers_the_loss_and_reports_what_it_took(mistral: Path, run: RunFolder) -> None:
    session = load(mistral, run, epochs=12)
    metrics = session.train(should_stop=lambda: False)
    assert set(metrics) >= {"before", "after", "updates", "train_s", "tokens_per_s", "peak_bytes", "worse"}
    names = read_names(session)
    assert names[0] == ("before", 0)
    assert names[-1] == ("after", metrics["updates"])
    assert {name for name, _ in names[1:-1]} == {"during"}
    assert set(metrics["after"]["chats"]) == {"1", "2"}
    assert metrics["worse"] is (metrics["after"]["loss"] > metrics["before"]["loss"])
    (estimated,) = session.progress.of(Estimated)  # type: ignore[attr-defined]  # it is recorded
    assert estimated.updates == metrics["updates"]
    assert estimated.tokens_per_s is not None and estimated.tokens_per_s > 0


def test_a_new_adapter_scores_as_the_base_and_an_adapter_to_continue_is_scored(
    mistral: Path, run: RunFolder, tmp_path: Path
) -> None:
    first = load(mistral, run)
    first.train(should_stop=lambda: False)
    adapter = save(first, tmp_path / "first")
    run.checkpoint.unlink()
    second = load(mistral, run, parent=adapter, active=adapter)
    assert read_names(second) == [("before", 0), ("parent", 0)]
    assert second.metrics["current"] == second.metrics["parent"]
    assert second.metrics["parent"]["loss"] == pytest.approx(first.metrics["after"]["loss"], abs=1e-4)


def test_the_active_adapter_is_scored_and_gone_before_training(mistral: Path, run: RunFolder, tmp_path: Path) -> None:
    first = load(mistral, run)
    first.train(should_stop=lambda: False)
    adapter = save(first, tmp_path / "first")
    run.checkpoint.unlink()
    second = load(mistral, run, active=adapter)
    assert read_names(second) == [("before", 0), ("current", 0)]
    assert second.metrics["current"]["loss"] == pytest.approx(first.metrics["after"]["loss"], abs=1e-4)
    assert second.model.active_adapters == list(second.model.peft_config) == ["default"]
    metrics = second.train(should_stop=lambda: False)
    assert metrics["worse"] is (metrics["after"]["loss"] > metrics["current"]["loss"])


def test_a_stopped_session_continues_from_its_checkpoint(mistral: Path, run: RunFolder) -> None:
    expected = load(mistral, run).train(should_stop=lambda: False)
    run.checkpoint.unlink()
    passes = iter(range(100))
    with pytest.raises(TrainingStoppedError):
        load(mistral, run).train(should_stop=lambda: next(passes) >= 2)
    metrics = load(mistral, run).train(should_stop=lambda: False)
    assert metrics["after"] == expected["after"]


def test_a_saved_adapter_names_its_base_and_has_no_form_to_fill_in(
    mistral: Path, run: RunFolder, tmp_path: Path
) -> None:
    folder = save(load(mistral, run), tmp_path / "adapter")
    assert {path.name for path in folder.iterdir()} == {"adapter_config.json", "adapter_model.safetensors"}
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(mistral)
    name_base(folder, "tiny")
    values = json.loads((folder / "adapter_config.json").read_text())
    assert (values["base_model_name_or_path"], values["r"]) == ("tiny", 4)


def test_lines_say_what_was_chosen(mistral: Path, run: RunFolder) -> None:
    session = load(mistral, run)
    session.train(should_stop=lambda: False)
    lines = [event.text.partition(":")[0] for event in session.progress.of(Note)]  # type: ignore[attr-defined]  # recorded
    assert lines == ["device", "weights", "attention", "layers"]


def test_versions_of_what_is_installed_are_listed() -> None:
    versions = list_versions()
    assert {"torch", "transformers", "peft"} <= set(versions)
    assert all(text[0].isdigit() for text in versions.values())


def test_an_active_adapter_of_another_shape_is_refused(mistral: Path, run: RunFolder, tmp_path: Path) -> None:
    adapter = save(load(mistral, run), tmp_path / "adapter")
    values = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps({**values, "r": 8}))
    with pytest.raises(BaseMismatchError, match=r"^The adapter adapter does not fit the loaded base model"):
        load(mistral, run, active=adapter)
