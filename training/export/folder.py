"""An adapter as a folder that PEFT and vLLM load: weights, configuration, and a model card that quotes nobody."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from userbot.domain.errors import ConfigError
from userbot.domain.plural import format_count
from userbot.store.adapters import Manifest
from userbot.store.runs import TRAIN

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
CARD = "README.md"

VLLM_RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Values that vLLM's `--max-lora-rank` takes. Source: vLLM's `LoRAConfig`."""


def write_folder(manifest: Manifest, source: Path, target: Path) -> None:
    """Write an adapter's folder.

    Args:
        manifest: The adapter's.
        source: Its folder on the shelf.
        target: The new folder, which must not exist, or be empty.

    Raises:
        ConfigError: The target holds something already, or the adapter has no safetensors.
    """
    check_target(target)
    if not (source / WEIGHTS).is_file():
        raise ConfigError(f"The adapter {manifest.id} has no {WEIGHTS}; older versions wrote other files. Train again.")
    config = json.loads((source / CONFIG).read_text("utf-8"))
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    shutil.copyfile(source / WEIGHTS, target / WEIGHTS)
    # The base as it is named everywhere: peft wrote the path of this machine's copy.
    config["base_model_name_or_path"] = manifest.base
    _write(target / CONFIG, json.dumps(config, indent=1, sort_keys=True) + "\n")
    _write(target / CARD, write_card(manifest, config))
    (target / WEIGHTS).chmod(0o600)


def check_target(target: Path) -> None:
    """Make sure that nothing is overwritten.

    Raises:
        ConfigError: The target exists, and is no empty folder.
    """
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError(f"{target} exists already. Name another place with --to.")


def write_card(manifest: Manifest, config: Mapping[str, Any]) -> str:
    """Return the model card: what the adapter is and how it is loaded; no names, no chats, no messages.

    Args:
        manifest: The adapter's.
        config: peft's configuration of it.
    """
    turns = manifest.data.get(TRAIN, {}).get("turns")
    learned = f" from {format_count(int(turns), 'turn')} of one person's chats" if turns else ""
    rank = choose_vllm_rank(int(config["r"]))
    lines = [
        "---",
        "library_name: peft",
        *([f"base_model: {manifest.base}"] if "/" in manifest.base and not Path(manifest.base).is_absolute() else []),
        "---",
        f"# Adapter {manifest.id}",
        "",
        f"A LoRA adapter that writes like its owner, trained{learned} by telegram-clone on {manifest.created_at}.",
        "It may reproduce what stood in those chats: share it with nobody who may not read them.",
        "",
        f"- base: {Path(manifest.base).name if Path(manifest.base).is_absolute() else manifest.base}",
        f"- rank {config['r']}, alpha {config['lora_alpha']}, on {', '.join(sorted(config['target_modules']))}",
        f"- conversations are rendered by {_describe_format(manifest.text_format)}",
        f"- versions: {', '.join(f'{name} {version}' for name, version in sorted(manifest.versions.items()))}",
        "",
        f"    vllm serve BASE --enable-lora --max-lora-rank {rank} --lora-modules {manifest.id}=THIS_FOLDER",
        "",
    ]
    return "\n".join(lines)


def find_vllm_limits(config: Mapping[str, Any]) -> list[str]:
    """Return what vLLM must be started with, and what it can't load.

    Args:
        config: peft's configuration of the adapter.
    """
    rank = int(config["r"])
    lines = [f"vLLM: start it with --enable-lora --max-lora-rank {choose_vllm_rank(rank)} (its default is 16)"]
    if rank > VLLM_RANKS[-1]:
        lines = [f"vLLM loads no adapter of rank {rank}; {VLLM_RANKS[-1]} is its limit: train with --set lora.r=64"]
    if config.get("modules_to_save"):
        lines.append(f"vLLM can't load whole layers, and this adapter has {', '.join(config['modules_to_save'])}")
    if config.get("use_dora"):
        lines.append("vLLM can't load DoRA, which this adapter is")
    return lines


def choose_vllm_rank(rank: int) -> int:
    """Return the smallest `--max-lora-rank` that holds an adapter's rank."""
    return next((value for value in VLLM_RANKS if value >= rank), rank)


def _describe_format(text_format: str) -> str:
    return "the base's chat template" if text_format == "chat" else "lines that begin with `User:` and `Clone:`"


def _write(path: Path, text: str) -> None:
    path.write_text(text, "utf-8")
    path.chmod(0o600)
