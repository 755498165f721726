"""After training: the new adapter is compared and activated, or kept with the command that activates it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import Clone
from fakes_retraining import add_adapter
from scripted_training import ScriptedHome

from training.events import Finished
from userbot.cli.model import finish_training
from userbot.cli.screen import console
from userbot.domain.errors import ConfigError, NoAdapterError
from userbot.retraining.process import Ended, TrainingFailedError
from userbot.store.adapters import AdapterShelf, Manifest


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScriptedHome:
    monkeypatch.setattr(console, "_width", 200)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "path"))
    scripted = ScriptedHome(tmp_path)
    scripted.program("sys.exit(9)")
    return scripted


@pytest.fixture
def shelf(home: ScriptedHome) -> AdapterShelf:
    shelf = AdapterShelf(home.path / "adapters")
    for name in ("old", "new"):
        add_adapter(shelf, name)
    return shelf


def ended(*, worse: bool = False) -> Ended:
    return Ended(code=4 if worse else 0, finished=Finished(adapter_id="new", worse=worse))


def active(shelf: AdapterShelf) -> str | None:
    manifest = shelf.active()
    return manifest.id if manifest else None


def test_the_first_adapter_is_activated_without_a_comparison(
    home: ScriptedHome, shelf: AdapterShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = finish_training(home.path, shelf, ended(), gate=True)

    assert manifest.id == active(shelf) == "new"
    assert "It is active. Talk to it: clone chat" in capsys.readouterr().out


def test_a_first_adapter_that_is_worse_than_the_base_is_not_activated(
    home: ScriptedHome, shelf: AdapterShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    finish_training(home.path, shelf, ended(worse=True), gate=True)

    assert active(shelf) is None
    assert "It is worse than the bare base, so it is kept and not activated." in capsys.readouterr().out


@pytest.mark.parametrize(("passed", "code", "expected"), [("True", 0, "new"), ("False", 4, "old")])
def test_the_verdict_decides_whether_it_is_activated(
    home: ScriptedHome,
    shelf: AdapterShelf,
    passed: str,
    code: int,
    expected: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shelf.activate("old")
    home.program("", comparison=f"say(event='verdict', passed={passed}, summary='So.', report='/r'); sys.exit({code})")

    finish_training(home.path, shelf, ended(worse=True), gate=True)

    assert active(shelf) == expected
    shown = capsys.readouterr().out
    assert "Comparing it with the active adapter, old…" in shown
    assert "So.\nThe whole comparison: /r\n" in shown
    assert ("`clone adapters use new` activates it all the same." in shown) is (expected == "old")


def test_a_comparison_that_fails_leaves_the_active_adapter(home: ScriptedHome, shelf: AdapterShelf) -> None:
    shelf.activate("old")

    with pytest.raises(TrainingFailedError, match="It stopped with exit code 9"):
        finish_training(home.path, shelf, ended(), gate=True)

    assert active(shelf) == "old"


def test_without_the_gate_it_is_kept_only(
    home: ScriptedHome, shelf: AdapterShelf, capsys: pytest.CaptureFixture[str]
) -> None:
    finish_training(home.path, shelf, ended(), gate=False)

    assert active(shelf) is None
    assert "It is kept. `clone adapters use new` activates it." in capsys.readouterr().out


def test_a_training_without_an_adapter_names_its_log(home: ScriptedHome, shelf: AdapterShelf) -> None:
    with pytest.raises(NoAdapterError, match="its log is in the run folder"):
        finish_training(home.path, shelf, Ended(code=0), gate=True)


class TestExport:
    """Adapters for other engines, from the command line."""

    @pytest.fixture
    def home(self, tmp_path: Path) -> Path:
        pytest.importorskip("torch")
        import torch

        from training.config import make_config
        from training.model.base import load_base, resolve_base
        from training.model.lora import attach_lora

        home = tmp_path / "home"
        base = resolve_base("tiny", models_dir=home / "models")
        model, _ = load_base(base, quantised=False, compute_dtype=torch.float32, device="cpu")
        adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 4}}).lora, seed=1)
        with AdapterShelf(home / "adapters").write(Manifest(id="one", base="tiny", created_at="2026-01-05")) as folder:
            adapted.save_pretrained(folder)
        return home

    def test_folder_gguf_and_merged_weights_are_written_and_nothing_twice(self, home: Path, tmp_path: Path) -> None:
        pytest.importorskip("gguf")
        clone = Clone(home)
        for name, flags in (("folder", ()), ("one.gguf", ("--gguf",)), ("merged", ("--merged",))):
            assert "keep it private" in clone("adapters", "export", "one", "--to", str(tmp_path / name), *flags)
        assert (tmp_path / "folder" / "adapter_config.json").is_file()
        assert (tmp_path / "one.gguf").read_bytes().startswith(b"GGUF")
        assert (tmp_path / "merged" / "model.safetensors").is_file()
        with pytest.raises(ConfigError, match="exists already"):
            clone("adapters", "export", "one", "--to", str(tmp_path / "folder"))

    def test_two_forms_at_once_are_refused(self, home: Path) -> None:
        with pytest.raises(ConfigError, match="choose one"):
            Clone(home)("adapters", "export", "one", "--gguf", "--merged")
