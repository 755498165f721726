"""Adapters appear whole or not at all, and the one in service can be changed and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import START

from userbot.domain.errors import AdapterDamagedError, NoAdapterError
from userbot.store.adapters import AdapterShelf, Manifest, new_id


def _make(shelf: AdapterShelf, name: str) -> Manifest:
    with shelf.write(Manifest(id=name, base="tiny", created_at=START.isoformat())) as folder:
        (folder / "adapter_model.safetensors").write_bytes(name.encode())
    return shelf.get(name)


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    return AdapterShelf(tmp_path / "adapters")


def test_no_adapter_at_first(shelf: AdapterShelf) -> None:
    assert shelf.all() == []
    assert shelf.active() is None


def test_written_adapter_has_checksums_and_is_listed(shelf: AdapterShelf) -> None:
    manifest = _make(shelf, "one")
    assert list(manifest.files) == ["adapter_model.safetensors"]
    assert shelf.all() == [manifest]
    assert shelf.verify("one") == manifest


def test_failed_write_leaves_nothing(shelf: AdapterShelf) -> None:
    with (
        pytest.raises(RuntimeError, match="full disk"),
        shelf.write(Manifest(id="one", base="tiny", created_at="")) as folder,
    ):
        (folder / "adapter_model.safetensors").write_bytes(b"half")
        raise RuntimeError("full disk")
    assert list(shelf.folder.iterdir()) == []


def test_damaged_adapter_is_not_promoted(shelf: AdapterShelf) -> None:
    _make(shelf, "one")
    (shelf.path("one") / "adapter_model.safetensors").write_bytes(b"other")
    with pytest.raises(AdapterDamagedError) as caught:
        shelf.activate("one")
    assert str(caught.value) == (
        f"{shelf.path('one') / 'adapter_model.safetensors'} is missing or damaged. "
        f"Take another adapter with `clone adapters use ID`, or train again."
    )
    assert shelf.active() is None


def test_roll_back_returns_to_the_one_before(shelf: AdapterShelf) -> None:
    for name in ("one", "two", "three"):
        _make(shelf, name)
        shelf.activate(name)
    shelf.activate("three")
    assert [shelf.roll_back().id, shelf.roll_back().id] == ["two", "one"]
    with pytest.raises(NoAdapterError, match="no earlier adapter"):
        shelf.roll_back()


def test_removed_adapter_is_skipped_by_roll_back(shelf: AdapterShelf) -> None:
    for name in ("one", "two", "three"):
        _make(shelf, name)
        shelf.activate(name)
    shelf.remove("two")
    assert shelf.roll_back().id == "one"


def test_adapter_in_service_is_not_removed(shelf: AdapterShelf) -> None:
    _make(shelf, "one")
    shelf.activate("one")
    with pytest.raises(NoAdapterError, match="one is in service"):
        shelf.remove("one")


@pytest.mark.parametrize("name", ["missing", "../adapters/one", "", ".", ".."])
def test_unknown_id_is_refused(shelf: AdapterShelf, name: str) -> None:
    _make(shelf, "one")
    for folder in (shelf.folder, shelf.folder.parent):
        (folder / "manifest.json").write_text((shelf.path("one") / "manifest.json").read_text())
    with pytest.raises(NoAdapterError, match="No adapter has the id"):
        shelf.get(name)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"id": "one"}', '{"id": 5, "previous": []}', "\0"])
def test_damaged_pointer_says_how_to_repair_it(shelf: AdapterShelf, text: str) -> None:
    _make(shelf, "one")
    pointer = shelf.folder / "current.json"
    pointer.write_text(text)
    with pytest.raises(AdapterDamagedError) as caught:
        shelf.active()
    assert str(caught.value) == (
        f"{pointer} can't be read, so no adapter is in service. Remove that file, then: clone adapters use ID"
    )
    pointer.unlink()
    assert shelf.activate("one").id == "one"


def test_ids_differ_within_one_second() -> None:
    assert len({new_id(START) for _ in range(50)}) > 40
