"""Compiling the decoder layers one by one, so that one compiled layer serves for all."""

from __future__ import annotations

from typing import Any

import torch

from training.model.causal_lm import Reader


def find_layers(reader: Reader) -> list[torch.nn.Module]:
    """Return the decoder layers; none where the model is built in another way."""
    count = int(reader.model.config.get_text_config().num_hidden_layers)
    for module in reader.body.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    return []


def will_compile(wanted: bool | None, device: str) -> bool:
    """Tell whether layers are to be compiled; None decides by the device."""
    return wanted if wanted is not None else device == "cuda"


def compile_layers(reader: Reader, *, wanted: bool | None) -> tuple[bool, str]:
    """Set the layers up for compiling at their first call.

    Args:
        reader: The model, changed in place.
        wanted: None decides by the device.

    Returns:
        Whether they will be compiled, and a line that says so.
    """
    if not will_compile(wanted, reader.device):
        return False, "layers: run as written, not compiled"
    layers = find_layers(reader)
    if not layers:
        return False, "layers: run as written, because this model's layers can't be found to compile them"
    settings: Any = torch._dynamo.config
    settings.recompile_limit = max(settings.recompile_limit, 64)  # each layer is an object of its own, counted apart
    for layer in layers:
        layer.compile(dynamic=False)
    return True, "layers: compiled with torch.compile, rows padded to one length"


def undo_compiling(reader: Reader) -> None:
    """Run the layers as written again."""
    for layer in find_layers(reader):
        layer._compiled_call_impl = None
