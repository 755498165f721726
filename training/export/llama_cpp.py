"""The files that llama.cpp reads: the base, converted once and kept, and an adapter for it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from training.model.base import BaseModel, load_tokenizer, map_hub_errors, resolve_base
from userbot.domain.errors import ConfigError

SMALL, LARGE = "f16", "q8_0"
"""Forms of small and large bases. Both are about as quick; 16 bit writes float32's words, 8 bit nearly, in half the
memory (benchmarks/serve_cpu.py, docs/experiments.md)."""

SMALL_BYTES = 2 * 2**30
"""Weights up to which a base is small."""


def prepare_base(name: str | None, *, models: Path, given: Path | None = None) -> Path:
    """Return a base as GGUF: the file that was given, or the base converted and kept beside the others.

    Args:
        name: `tiny`, a hub name or a folder; None chooses by the device.
        models: Where converted bases are kept.
        given: A GGUF file of the same base, such as a quantised download; it is used as it is.

    Raises:
        ConfigError: The file does not exist, or the base can't be had or converted.
    """
    if given is not None:
        if not given.is_file():
            raise ConfigError(f"There is no GGUF file {given}. Check CLONE_GENERATOR__GGUF.")
        return given
    from training.export.gguf import write_base

    base = resolve_base(name, models_dir=models)
    source = find_folder(base)
    form = choose_form(source)
    target = models / f"{_slug(base.name)}-{_fingerprint(source)}.{form}.gguf"
    if not target.is_file():
        models.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_base(source, target, tokenizer=load_tokenizer(base), form=form)
    return target


def choose_form(folder: Path) -> str:
    """Return the form that a base is stored in, by the size of its weights.

    Args:
        folder: Of the base.
    """
    size = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return SMALL if size <= SMALL_BYTES else LARGE


def can_convert(name: str | None, *, models: Path) -> bool:
    """Tell whether a base can be had, and is of a kind that can be converted here.

    Args:
        name: As of `prepare_base`.
        models: Where the embedded base is unpacked.
    """
    from training.export.gguf import ARCHITECTURES

    try:
        return read_config(resolve_base(name, models_dir=models)).get("model_type") in ARCHITECTURES
    except ConfigError:
        return False


def write_adapter(folder: Path, target: Path, *, base: str | None, models: Path) -> None:
    """Write an adapter as GGUF.

    Args:
        folder: The adapter's.
        target: The file.
        base: What it was trained on.
        models: Where the embedded base is unpacked.

    Raises:
        ConfigError: The base's configuration can't be had, or the adapter has no form that llama.cpp knows.
    """
    from training.export.gguf import write_lora

    write_lora(folder, read_config(resolve_base(base, models_dir=models)), target)


def read_config(base: BaseModel) -> Mapping[str, Any]:
    """Return the content of a base's `config.json`.

    Raises:
        ConfigError: It can't be found.
    """
    from transformers import AutoConfig

    with map_hub_errors(base.name):
        config: Mapping[str, Any] = AutoConfig.from_pretrained(base.source).to_dict()
    return config


def find_folder(base: BaseModel) -> Path:
    """Return the folder of a base's files; a hub's are fetched where they are not here yet.

    Raises:
        ConfigError: They can't be had.
    """
    if Path(base.source).is_dir():
        return Path(base.source)
    from huggingface_hub import snapshot_download

    with map_hub_errors(base.name):
        return Path(snapshot_download(base.source, allow_patterns=["*.json", "*.safetensors"]))


def _slug(name: str) -> str:
    return "".join(letter if letter.isalnum() else "-" for letter in Path(name).name)


def _fingerprint(folder: Path) -> str:
    """Tell bases of one name apart by the sizes and times of their files: reading gigabytes would take too long."""
    stats = [(path.name, path.stat()) for path in sorted(folder.glob("*")) if path.suffix in (".json", ".safetensors")]
    text = "\n".join(f"{name} {stat.st_size} {stat.st_mtime_ns}" for name, stat in stats)
    return hashlib.sha256(text.encode()).hexdigest()[:12]
