"""Compiling the decoder layers one by one, so that one compiled layer serves for all."""

from __future__ import annotations

from typing import Any

import torch

from training.model.causal_lm import CausalLM


def find_layers(lm: CausalLM) -> list[torch.nn.Module]:
    """Return the decoder layers; none where the model is built in another way."""
    count = int(lm.model.config.get_text_config().num_hidden_layers)
    for module in lm.body.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    return []


def will_compile(wanted: bool | None, device: str) -> bool:
    """Tell whether layers are to be compiled; None decides by the device."""
    return wanted if wanted is not None else device == "cuda"


def compile_layers(lm: CausalLM, *, wanted: bool | None) -> tuple[bool, str]:
    """Set the layers up for compiling at their first call.

    Args:
        lm: The model, changed in place.
        wanted: None decides by the device.

    Returns:
        Whether they will be compiled, and a line that says so.
    """
    if not will_compile(wanted, lm.device):
        return False, "layers: run as written, not compiled"
    layers = find_layers(lm)
    if not layers:
        return False, "layers: run as written, because this model's layers can't be found to compile them"
    settings: Any = torch._dynamo.config
    settings.recompile_limit = max(settings.recompile_limit, 64)  # each layer is an object of its own, counted apart
    for layer in layers:
        layer.compile(dynamic=False)
    return True, "layers: compiled with torch.compile, rows padded to one length"


def undo_compiling(lm: CausalLM) -> None:
    """Run the layers as written again."""
    for layer in find_layers(lm):
        layer._compiled_call_impl = None
