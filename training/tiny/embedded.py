"""The embedded base model: expanded from its packed weights on first use, and found again later.

`materialise` makes an ordinary local Hugging Face folder, so whatever loads Mistral-7B loads this too.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from training.tiny.packing import serialise_bfloat16, unpack_weights
from userbot.domain.errors import BaseDamagedError

NAME = "tiny"
CHECKSUMS = "SHA256SUMS"
WEIGHTS = "weights.int8.safetensors"
EXPANDED = "model.safetensors"
COPIED = ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja")


def read_checksums(text: str) -> dict[str, str]:
    """Read the output of `sha256sum`.

    Args:
        text: Lines of a hexadecimal digest and a file name.

    Returns:
        Digests by file name.

    Raises:
        ValueError: A line has no file name.
    """
    return {name: digest for digest, name in (line.split(maxsplit=1) for line in text.splitlines() if line)}


def materialise(cache_dir: Path, *, source: Traversable | None = None) -> Path:
    """Expand the embedded base into an ordinary model folder, or find the one expanded before.

    The folder's name holds the digest of the packed weights, so that a new version never finds an old one's files. The
    folder is renamed into place when complete, so that two processes may do this at once; a folder whose files were
    damaged later is expanded again.

    Args:
        cache_dir: A writable folder, made if missing; the expanded base takes 31 MB.
        source: The folder of packed files; None takes this package's own.

    Returns:
        A folder that `from_pretrained` of transformers loads offline: bfloat16 safetensors, config and tokenizer.

    Raises:
        BaseDamagedError: A packed file differs from its checksum, or is missing.
        OSError: The folder can't be written.
    """
    source = resources.files(__package__) if source is None else source
    try:
        checksums = read_checksums(source.joinpath(CHECKSUMS).read_text(encoding="utf-8"))
    except FileNotFoundError as exc:
        raise _refuse(source, CHECKSUMS) from exc
    folder = cache_dir / f"{NAME}-{checksums[WEIGHTS][:12]}"
    if _is_whole(folder):
        return folder
    cache_dir.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{NAME}-", dir=cache_dir))
    try:
        _fill(draft, source, checksums)
        _put_in_place(draft, folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _fill(draft: Path, source: Traversable, checksums: dict[str, str]) -> None:
    for name in COPIED:
        (draft / name).write_bytes(_read_checked(source, name, checksums))
    packed = _read_checked(source, WEIGHTS, checksums)
    (draft / EXPANDED).write_bytes(serialise_bfloat16(unpack_weights(packed)))
    lines = (f"{hashlib.sha256((draft / name).read_bytes()).hexdigest()}  {name}\n" for name in (*COPIED, EXPANDED))
    (draft / CHECKSUMS).write_text("".join(lines), encoding="utf-8")


def _read_checked(source: Traversable, name: str, checksums: dict[str, str]) -> bytes:
    try:
        data = source.joinpath(name).read_bytes()
    except FileNotFoundError as exc:
        raise _refuse(source, name) from exc
    if hashlib.sha256(data).hexdigest() != checksums.get(name):
        raise _refuse(source, name)
    return data


def _refuse(source: Traversable, name: str) -> BaseDamagedError:
    return BaseDamagedError(
        f"the embedded base is damaged: {source.joinpath(name)} is missing or differs from its checksum; "
        "install again with `pip install --force-reinstall '.[train]'` in the program's folder, "
        "or in a checkout run `git checkout -- training/tiny`"
    )


def _is_whole(folder: Path) -> bool:
    try:
        checksums = read_checksums((folder / CHECKSUMS).read_text(encoding="utf-8"))
        digests = {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in checksums}
    except (OSError, ValueError):
        return False
    return bool(checksums) and digests == checksums


def _put_in_place(draft: Path, folder: Path) -> None:
    """Rename, unless another process was quicker; a damaged folder is replaced."""
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder)
    try:
        draft.rename(folder)
    except OSError:
        if not _is_whole(folder):
            raise
