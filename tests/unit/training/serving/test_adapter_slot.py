"""The adapter slot: at most one adapter on a base, exchanged without loss, and made trainable."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import make_base

from training.config import LoraSettings, make_config
from training.model.base import load_base, resolve_base
from training.serving.adapter_slot import AdapterSlot, map_damage
from userbot.domain.errors import AdapterDamagedError, BaseMismatchError

IDS = torch.tensor([[1, 40, 41, 42, 43]])
LORA: LoraSettings = make_config("default", {"lora": {"r": 4, "dropout": 0.0}}).lora


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral", layers=1)


def make_slot(base: Path) -> AdapterSlot:
    model, _ = load_base(
        resolve_base(str(base), models_dir=base), quantised=False, compute_dtype=torch.float32, device="cpu"
    )
    return AdapterSlot(model)


@pytest.fixture
def slot(base: Path) -> AdapterSlot:
    return make_slot(base)


@pytest.fixture(scope="module")
def adapters(base: Path) -> dict[str, Path]:
    """Save two different adapters of the base."""
    folders = {}
    for name, strength in (("one", 0.3), ("two", -0.3)):
        slot = make_slot(base)
        slot.make_trainable(LORA, seed=3)
        for key, value in slot.model.named_parameters():
            if "lora_B" in key:
                torch.nn.init.constant_(value, strength)
        folders[name] = base.parent / name
        slot.model.save_pretrained(folders[name])
    return folders


def read(slot: AdapterSlot) -> torch.Tensor:
    with torch.inference_mode():
        logits: torch.Tensor = slot.model(input_ids=IDS).logits
    return logits


def test_an_empty_slot_is_the_bare_base(slot: AdapterSlot) -> None:
    model, logits = slot.model, read(slot)
    assert not slot.is_active
    slot.deactivate()
    assert slot.model is model
    assert torch.equal(read(slot), logits)


def test_activating_exchanges_the_adapter_and_deactivating_gives_the_base_back(
    slot: AdapterSlot, adapters: dict[str, Path]
) -> None:
    bare = read(slot)
    slot.activate(adapters["one"])
    one = read(slot)
    slot.activate(adapters["two"])
    two = read(slot)
    assert not torch.allclose(one, two, atol=1e-2) and not torch.allclose(one, bare, atol=1e-2)
    slot.deactivate()
    assert not slot.is_active
    assert torch.equal(read(slot), bare)
    slot.activate(adapters["one"])
    assert torch.equal(read(slot), one)


def test_the_adapter_before_is_unloaded(slot: AdapterSlot, adapters: dict[str, Path]) -> None:
    slot.activate(adapters["one"])
    before = sum(value.numel() for value in slot.model.parameters())
    slot.activate(adapters["two"])
    assert sum(value.numel() for value in slot.model.parameters()) == before


def test_an_active_adapter_is_kept_in_the_format_asked_for_and_is_not_trained(
    slot: AdapterSlot, adapters: dict[str, Path]
) -> None:
    slot.activate(adapters["one"], dtype=torch.bfloat16)
    lora = {value.dtype for name, value in slot.model.named_parameters() if "lora_" in name}
    assert lora == {torch.bfloat16}
    assert not any(value.requires_grad for value in slot.model.parameters())
    assert not slot.model.training


@pytest.mark.parametrize("first", [None, "one"])
def test_an_adapter_that_can_not_be_read_leaves_what_was_there(
    slot: AdapterSlot, adapters: dict[str, Path], tmp_path: Path, first: str | None
) -> None:
    if first is not None:
        slot.activate(adapters[first])
    before = read(slot)
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in adapters["two"].iterdir():
        (broken / path.name).write_bytes(path.read_bytes()[: 300 if path.suffix == ".safetensors" else None])
    with pytest.raises(AdapterDamagedError, match=r"^The adapter broken can't be read\. Activate another with "):
        slot.activate(broken)
    assert slot.is_active is (first is not None)
    assert torch.equal(read(slot), before)


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_folder_that_lacks_a_file_is_not_looked_for_on_the_hub(
    slot: AdapterSlot, adapters: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("the network was used"))
    for path in adapters["one"].iterdir():
        if path.name != missing:
            (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(AdapterDamagedError, match=f"^The adapter {tmp_path.name} can't be read"):
        slot.activate(tmp_path)
    assert not slot.is_active


def test_an_adapter_of_another_shape_is_refused(slot: AdapterSlot, base: Path, tmp_path: Path) -> None:
    other = make_slot(make_base(tmp_path / "wide", layers=1, hidden=128))
    other.make_trainable(LORA, seed=1)
    other.model.save_pretrained(tmp_path / "foreign")
    before = read(slot)
    with pytest.raises(BaseMismatchError):
        slot.activate(tmp_path / "foreign")
    assert torch.equal(read(slot), before)


def test_an_empty_slot_gets_a_new_adapter_to_train(slot: AdapterSlot) -> None:
    bare = read(slot)
    slot.make_trainable(LORA, seed=3)
    assert slot.is_active
    trained = {name for name, value in slot.model.named_parameters() if value.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    assert torch.equal(read(slot), bare), "a new adapter changes nothing yet"


def test_the_active_adapter_is_trained_on_in_float32(slot: AdapterSlot, adapters: dict[str, Path]) -> None:
    slot.activate(adapters["one"], dtype=torch.bfloat16)
    slot.make_trainable(LORA, seed=3)
    trained = [value for value in slot.model.parameters() if value.requires_grad]
    assert {value.dtype for value in trained} == {torch.float32}
    assert any(value.eq(0.3).all() for value in (value.bfloat16().float().round(decimals=1) for value in trained))


def test_errors_of_the_file_system_name_the_adapter(tmp_path: Path) -> None:
    with pytest.raises(AdapterDamagedError, match=r"^The adapter a1 can't be read\."), map_damage(tmp_path / "a1"):
        (tmp_path / "a1" / "adapter_config.json").read_text()
