"""Adapters on disk: one folder each, its manifest written last; and the pointer to the active one.

::

    <home>/adapters/
      current.json             {"id": …, "previous": [ids, newest last], "stopped": id, where it was stopped at once}
      20260105-120000-ab12/    adapter_model.safetensors, adapter_config.json, …, manifest.json

A folder without a manifest does not exist. Ids are never reused.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from hashlib import file_digest
from pathlib import Path, PurePosixPath
from typing import Any

from userbot.domain.errors import AdapterDamagedError, BaseMismatchError, NoAdapterError

MANIFEST = "manifest.json"
ACTIVE = "current.json"  # the name that older versions gave it

RUNS_CODE = frozenset({".bin", ".ckpt", ".joblib", ".pickle", ".pkl", ".pt", ".pt2", ".pth", ".py", ".so"})
"""Endings of files that are pickles, as torch writes them, or programs. Our adapters have none."""

REMEMBERED = 20
"""Earlier adapters that the pointer remembers, for rolling back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What an adapter is, and where it comes from.

    Args:
        id: Unique, also the folder's name.
        base: Base model as it was named: `tiny`, a hub name or a folder.
        created_at: ISO time, UTC.
        text_format: How conversations were rendered: `chat` (the base's template) or `text` (the article's).
        config: The whole training configuration.
        data: Which messages it has seen: chats, ranges of ids, counts.
        metrics: Losses before and after, and other figures.
        versions: Versions of the libraries it was trained with.
        parent: Adapter that training continued from; None when it started from the base.
        files: SHA-256 by file name, all files but the manifest.
    """

    id: str
    base: str
    created_at: str
    text_format: str = "chat"
    config: Mapping[str, Any] = field(default_factory=dict)
    data: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    parent: str | None = None
    files: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Pointer:
    """The id of the active adapter, of those that were active before it, newest last, and of one that was stopped."""

    active: str | None
    previous: tuple[str, ...]
    stopped: str | None = None


def new_id(now: datetime) -> str:
    """Make an adapter id that sorts by time; two made within one second differ by chance."""
    return f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


class AdapterShelf:
    """The adapters of one home folder.

    Args:
        folder: `<home>/adapters`; made when the first adapter is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def all(self) -> list[Manifest]:
        """Return the manifests of all adapters, oldest first."""
        paths = sorted(self.folder.glob(f"*/{MANIFEST}")) if self.folder.is_dir() else []
        return [_read(path) for path in paths if not path.parent.name.startswith(".")]

    def get(self, adapter_id: str) -> Manifest:
        """Return one manifest.

        Raises:
            NoAdapterError: There is none of that id.
        """
        path = self.folder / adapter_id / MANIFEST
        if adapter_id in ("", "..") or Path(adapter_id).name != adapter_id or not path.is_file():
            raise NoAdapterError(f"No adapter has the id {adapter_id!r}. `clone adapters list` shows them.")
        return _read(path)

    def path(self, adapter_id: str) -> Path:
        """Return the folder of an adapter, whether it exists or not."""
        return self.folder / adapter_id

    @contextmanager
    def write(self, manifest: Manifest) -> Iterator[Path]:
        """Yield a hidden folder for an adapter's files; on leaving, add checksums and the manifest, and show it.

        An error inside leaves nothing behind.

        Args:
            manifest: Of the new adapter; its `files` are filled in here.

        Yields:
            The folder to write to.
        """
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.folder / f".{manifest.id}"
        draft.mkdir(mode=0o700)
        try:
            yield draft
            sums = {path.name: _digest(path) for path in sorted(draft.iterdir()) if path.is_file()}
            write_json(draft / MANIFEST, {**asdict(manifest), "files": sums})
            draft.rename(self.folder / manifest.id)
        except BaseException:
            shutil.rmtree(draft, ignore_errors=True)
            raise

    def verify(self, adapter_id: str) -> Manifest:
        """Compare an adapter's files with its manifest, and return the manifest.

        Raises:
            NoAdapterError: There is none of that id.
            AdapterDamagedError: A file is missing or differs, or is none that an adapter of ours has: outside its
                folder, not in the manifest, or in a form that runs code when it is loaded.
        """
        manifest, folder = self.get(adapter_id), self.folder / adapter_id
        if folder.is_symlink():
            raise _refuse(folder, "is a link to another place")
        if not isinstance(manifest.files, Mapping) or not manifest.files:
            raise _refuse(folder / MANIFEST, "lists no files, so nothing tells whether the weights are whole")
        for name, expected in manifest.files.items():
            path = folder / name
            _check_name(folder, name)
            if path.is_symlink() or not path.is_file() or _digest(path) != expected:
                raise _refuse(path, "is missing or damaged")
        for path in sorted(folder.rglob("*")):
            name = path.relative_to(folder).as_posix()
            if name != MANIFEST and name not in manifest.files and (path.is_symlink() or not path.is_dir()):
                raise _refuse(path, "is not listed in the adapter's manifest, so it was added later")
        return manifest

    def active(self) -> Manifest | None:
        """Return the active adapter's manifest; None where no adapter is active.

        Raises:
            NoAdapterError: The active adapter's folder is gone.
            AdapterDamagedError: The pointer or the manifest can't be read.
        """
        adapter_id = self._read_pointer().active
        return None if adapter_id is None else self.get(adapter_id)

    def activate(self, adapter_id: str) -> Manifest:
        """Make an adapter the active one, remembering the one before it.

        Args:
            adapter_id: The adapter.

        Returns:
            Its manifest.

        Raises:
            NoAdapterError: There is none of that id.
            AdapterDamagedError: Its files are damaged.
        """
        manifest = self.verify(adapter_id)
        pointer = self._read_pointer()
        if pointer.active != adapter_id:
            previous = (*pointer.previous, pointer.active) if pointer.active else pointer.previous
            self._write_pointer(_Pointer(adapter_id, previous[-REMEMBERED:]))
        return manifest

    def roll_back(self, *, to: str | None = None) -> Manifest:
        """Activate an adapter that was active before this one, and return its manifest.

        Args:
            to: One of `list_previous`; None for the newest. Those that were active after it are forgotten.

        Raises:
            NoAdapterError: There is no earlier one.
            AdapterDamagedError: Its files are damaged.
        """
        previous = self.list_previous()
        if not previous or (to is not None and to not in previous):
            raise NoAdapterError(
                "There is no earlier adapter to go back to. `clone adapters list` shows what there is."
            )
        at = len(previous) - 1 if to is None else len(previous) - 1 - previous[::-1].index(to)
        manifest = self.verify(previous[at])
        self._write_pointer(_Pointer(previous[at], previous[:at]))
        return manifest

    def stop(self) -> None:
        """Let no adapter be active, and nothing be answered by the bare base in its place, until one is activated."""
        pointer = self._read_pointer()
        self._write_pointer(_Pointer(None, pointer.previous, pointer.active or pointer.stopped))

    def stopped(self) -> str | None:
        """Return the adapter that `stop` ended, as long as none has been activated since."""
        return self._read_pointer().stopped

    def active_and_previous(self) -> tuple[str, ...]:
        """Return the id of the active adapter, then that of the one that `roll_back` would activate.

        Returns:
            Two ids, one, or none, as far as there are any.
        """
        active, previous = self._read_pointer().active, self.list_previous()
        return tuple(adapter_id for adapter_id in (active, *previous[-1:]) if adapter_id)

    def remove(self, adapter_id: str) -> None:
        """Delete an adapter that is not active.

        Raises:
            NoAdapterError: There is none of that id, or it is the active one.
        """
        self.get(adapter_id)
        if self._read_pointer().active == adapter_id:
            raise NoAdapterError(f"{adapter_id} is active. Activate another one first: `clone adapters use ID`.")
        shutil.rmtree(self.folder / adapter_id)

    def list_previous(self) -> tuple[str, ...]:
        """Return the adapters that were active before and still exist, newest last."""
        previous = self._read_pointer().previous
        return tuple(adapter_id for adapter_id in previous if (self.folder / adapter_id / MANIFEST).is_file())

    def _read_pointer(self) -> _Pointer:
        path = self.folder / ACTIVE
        if not path.is_file():
            return _Pointer(None, ())
        try:
            stored = json.loads(path.read_text("utf-8"))
            pointer = _Pointer(stored["id"], tuple(stored["previous"]), stored.get("stopped"))
            if not all(isinstance(name, str) for name in pointer.previous) or not all(
                isinstance(name, str | None) for name in (pointer.active, pointer.stopped)
            ):
                raise TypeError("ids are strings")
        except (ValueError, TypeError, KeyError) as exc:
            raise AdapterDamagedError(
                f"{path} can't be read, so no adapter is active. Remove that file, then: clone adapters use ID"
            ) from exc
        return pointer

    def _write_pointer(self, pointer: _Pointer) -> None:
        stopped = {} if pointer.stopped is None else {"stopped": pointer.stopped}
        write_json(self.folder / ACTIVE, {"id": pointer.active, "previous": list(pointer.previous), **stopped})


def check_base(manifest: Manifest, base: str) -> None:
    """Make sure that an adapter was trained on a base model.

    Args:
        manifest: The adapter's.
        base: Name of the base model that is loaded.

    Raises:
        BaseMismatchError: It was trained on another one.
    """
    if manifest.base != base:
        raise BaseMismatchError(
            f"The adapter {manifest.id} was trained on {manifest.base}, not on {base}. "
            f"Choose its base, CLONE_BASE={manifest.base}, or train again."
        )


def write_json(path: Path, value: Any) -> None:
    """Write JSON so that a reader sees the old file or the new one, never a half; 0600."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8") as file:
        json.dump(value, file, ensure_ascii=False, indent=1)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(0o600)
    draft.replace(path)


def _check_name(folder: Path, name: str) -> None:
    """Refuse a listed name that leads out of the folder, or a file that can run code when it is loaded."""
    path = PurePosixPath(name)
    if path.is_absolute() or not path.parts or ".." in path.parts or "\\" in name or name != path.as_posix():
        raise _refuse(folder / MANIFEST, f"lists {name!r}, which is no file inside its folder")
    if any((folder / parent).is_symlink() for parent in path.parents):
        raise _refuse(folder / MANIFEST, f"lists {name!r}, which lies behind a link")
    if path.suffix.lower() in RUNS_CODE:
        raise _refuse(folder / name, "is in a form that can run code when it is loaded; weights are .safetensors")


def _refuse(path: Path, why: str) -> AdapterDamagedError:
    return AdapterDamagedError(f"{path} {why}. Take another adapter with `clone adapters use ID`, or train again.")


def _read(path: Path) -> Manifest:
    known = {entry.name for entry in fields(Manifest)}
    try:
        values = json.loads(path.read_text("utf-8"))
        return Manifest(**{key: value for key, value in values.items() if key in known})
    except (ValueError, TypeError, AttributeError) as exc:
        raise AdapterDamagedError(f"{path} can't be read: {exc}. Remove that folder, or train again.") from exc


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return file_digest(file, "sha256").hexdigest()
