"""A base with an adapter added to its weights: a model of its own, for engines that know no adapters."""

from __future__ import annotations

from pathlib import Path

import torch

from training.export.folder import check_target
from training.model.base import load_base, quiet_deprecations, resolve_base
from training.serving.adapter_slot import map_damage
from userbot.store.adapters import Manifest


def write_merged(manifest: Manifest, source: Path, target: Path, *, models: Path) -> None:
    """Write the base with the adapter's product added, in bfloat16, with its tokenizer.

    Args:
        manifest: The adapter's.
        source: Its folder on the shelf.
        target: The new folder, which must not exist, or be empty.
        models: Where the embedded base is unpacked.

    Raises:
        ConfigError: The target holds something already, or the base can't be had.
        AdapterDamagedError: The adapter's files can't be read.
    """
    check_target(target)
    base = resolve_base(manifest.base, models_dir=models)
    model, tokenizer = load_base(base, quantised=False, compute_dtype=torch.bfloat16, device="cpu", trainable=False)
    import peft  # after the base, which keeps bitsandbytes quiet

    with quiet_deprecations(), map_damage(source):
        adapted = peft.PeftModel.from_pretrained(model.float(), source)
    # Added in float32 and rounded once.
    merged = adapted.merge_and_unload().to(torch.bfloat16)
    target.mkdir(parents=True, exist_ok=True, mode=0o700)
    merged.save_pretrained(target)
    tokenizer.save_pretrained(target)
    for path in target.iterdir():
        path.chmod(0o600)
