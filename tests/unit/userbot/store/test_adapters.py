"""Adapters appear whole or not at all, and the active one can be changed and rolled back."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from fakes import START

from userbot.domain.errors import AdapterDamagedError, BaseMismatchError, NoAdapterError
from userbot.store.adapters import AdapterShelf, Manifest, check_base, new_id


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


def test_damaged_adapter_is_not_activated(shelf: AdapterShelf) -> None:
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


def test_active_adapter_is_not_removed(shelf: AdapterShelf) -> None:
    _make(shelf, "one")
    shelf.activate("one")
    with pytest.raises(NoAdapterError, match="one is active"):
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
        f"{pointer} can't be read, so no adapter is active. Remove that file, then: clone adapters use ID"
    )
    pointer.unlink()
    assert shelf.activate("one").id == "one"


def test_ids_differ_within_one_second() -> None:
    assert len({new_id(START) for _ in range(50)}) > 40


def test_active_adapter_comes_before_the_one_that_a_rollback_takes(shelf: AdapterShelf) -> None:
    assert shelf.active_and_previous() == ()
    for name in ("one", "two", "three"):
        _make(shelf, name)
        shelf.activate(name)
    assert shelf.active_and_previous() == ("three", "two")
    shelf.remove("two")
    assert shelf.active_and_previous() == ("three", "one")


def test_pointer_keeps_the_form_that_older_versions_read(shelf: AdapterShelf) -> None:
    for name in ("one", "two"):
        _make(shelf, name)
        shelf.activate(name)
    pointer = shelf.folder / "current.json"
    assert json.loads(pointer.read_text("utf-8")) == {"id": "two", "previous": ["one"]}
    assert pointer.stat().st_mode & 0o777 == 0o600


def test_manifest_with_names_of_a_newer_version_is_read(shelf: AdapterShelf) -> None:
    manifest = _make(shelf, "one")
    path = shelf.path("one") / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "mood": "sunny"}), "utf-8")
    assert shelf.get("one") == manifest


def test_adapter_of_another_base_is_refused_with_its_base(shelf: AdapterShelf) -> None:
    manifest = _make(shelf, "one")
    check_base(manifest, "tiny")
    with pytest.raises(BaseMismatchError) as caught:
        check_base(manifest, "mistralai/x")
    assert str(caught.value) == (
        "The adapter one was trained on tiny, not on mistralai/x. Choose its base, CLONE_BASE=tiny, or train again."
    )


def _rewrite(shelf: AdapterShelf, name: str, **files: str) -> None:
    path = shelf.path(name) / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), "files": files}), "utf-8")


def _sum(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_manifest_that_lists_no_files_is_refused(shelf: AdapterShelf) -> None:
    _make(shelf, "one")
    _rewrite(shelf, "one")
    with pytest.raises(AdapterDamagedError, match="lists no files, so nothing tells whether the weights are whole"):
        shelf.activate("one")


@pytest.mark.parametrize(
    "name", ["../outside.safetensors", "{outside}", "a/../../outside.safetensors", "./x", "a//x", "."]
)
def test_listed_file_outside_the_folder_is_refused(shelf: AdapterShelf, tmp_path: Path, name: str) -> None:
    _make(shelf, "one")
    outside = shelf.folder / "outside.safetensors"
    outside.write_bytes(b"w")
    _rewrite(shelf, "one", **{name.format(outside=outside): _sum(b"w")})
    with pytest.raises(AdapterDamagedError, match="which is no file inside its folder"):
        shelf.verify("one")


@pytest.mark.parametrize("name", ["pytorch_model.bin", "adapter_model.pt", "x.PTH", "x.pkl", "modeling.py", "x.ckpt"])
def test_weights_that_can_run_code_are_refused_though_they_are_listed(shelf: AdapterShelf, name: str) -> None:
    _make(shelf, "one")
    (shelf.path("one") / name).write_bytes(b"w")
    _rewrite(shelf, "one", **{"adapter_model.safetensors": _sum(b"one"), name: _sum(b"w")})
    with pytest.raises(AdapterDamagedError, match="in a form that can run code when it is loaded"):
        shelf.verify("one")


@pytest.mark.parametrize("name", ["extra.safetensors", "adapter_model.bin", "sub/extra.safetensors", ".hidden"])
def test_file_that_was_added_later_is_refused(shelf: AdapterShelf, name: str) -> None:
    _make(shelf, "one")
    (shelf.path("one") / name).parent.mkdir(exist_ok=True)
    (shelf.path("one") / name).write_bytes(b"w")
    with pytest.raises(AdapterDamagedError, match="is not listed in the adapter's manifest, so it was added later"):
        shelf.verify("one")


def test_link_in_place_of_weights_or_of_the_folder_is_refused(shelf: AdapterShelf) -> None:
    _make(shelf, "one")
    weights = shelf.path("one") / "adapter_model.safetensors"
    weights.rename(shelf.folder / "elsewhere")
    weights.symlink_to(shelf.folder / "elsewhere")
    with pytest.raises(AdapterDamagedError, match="is missing or damaged"):
        shelf.verify("one")
    (shelf.folder / "two").symlink_to(shelf.path("one"))
    with pytest.raises(AdapterDamagedError, match="is a link to another place"):
        shelf.verify("two")
