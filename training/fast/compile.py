"""Compiling the decoder layers one by one, so that one compiled layer serves for all."""

from __future__ import annotations

from typing import Any

import torch

from training.model.base import quiet_deprecations
from training.model.causal_lm import CausalLM


def find_layers(lm: CausalLM) -> list[torch.nn.Module]:
    """Return the decoder layers in order; none where the model is built in another way.

    Args:
        lm: The model.
    """
    count = int(lm.model.config.get_text_config().num_hidden_layers)
    for module in lm.body.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == count:
            return list(module)
    return []


def will_compile(setting: bool | None, device: str) -> bool:
    """Tell whether layers are to be compiled.

    Args:
        setting: As configured; None decides by the device.
        device: `cuda` or `cpu`.
    """
    return setting if setting is not None else device == "cuda"


def compile_layers(lm: CausalLM, *, setting: bool | None) -> tuple[bool, str]:
    """Set the layers up for compiling at their first call.

    Args:
        lm: The model, changed in place.
        setting: As configured; None decides by the device.

    Returns:
        Whether they will be compiled, and a line that says so.
    """
    if not will_compile(setting, lm.device):
        return False, "layers: run as transformers wrote them, not compiled"
    layers = find_layers(lm)
    if not layers:
        return False, "layers: run as transformers wrote them, because no list of them is found in this model"
    limits: Any = torch._dynamo.config
    limits.recompile_limit = max(limits.recompile_limit, 64)  # each layer is an object of its own, counted apart
    with quiet_deprecations():
        for layer in layers:
            layer.compile(dynamic=False)
    return True, "layers: compiled with torch.compile, packed sequences padded to one length"


def undo_compiling(lm: CausalLM) -> None:
    """Run the layers uncompiled again.

    Args:
        lm: The model, changed in place.
    """
    for layer in find_layers(lm):
        layer._compiled_call_impl = None
