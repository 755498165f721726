"""Fusing all decoder layers of a model, where a check on the loaded model finds that they compute the same."""

from __future__ import annotations

from typing import Any

import torch

from training.config import TrainConfig
from training.fast.compile import find_layers
from training.fast.decoder_layer import FusedDecoderLayer
from training.model.base import quiet_deprecations
from training.model.causal_lm import CausalLM
from training.model.device import Device, can_run_kernels

_PROBE, _PROBE_SCALE = 24, 0.01  # tokens of a sample, and size of an adapter's weights, in the check
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}


def list_fused(lm: CausalLM) -> list[FusedDecoderLayer]:
    """Return the layers of a model that run fused.

    Args:
        lm: The model.
    """
    layers = (getattr(layer, "fused", None) for layer in find_layers(lm))
    return [layer for layer in layers if isinstance(layer, FusedDecoderLayer)]


def will_fuse(config: TrainConfig, device: Device) -> bool:
    """Tell whether layers are to be fused, before the model is there to look at.

    Args:
        config: The run's configuration.
        device: Where the model will run.
    """
    return config.compile is not False and not config.lora.dropout and device.type == "cuda" and can_run_kernels()


def fuse_layers(lm: CausalLM) -> tuple[bool, str]:
    """Fuse all decoder layers of a model, or none.

    Args:
        lm: The model, with an adapter; changed in place.

    Returns:
        Whether they run fused, and a line that says so, with the largest difference, or why not.
    """
    if lm.device == "cuda" and not can_run_kernels():
        return False, "layers: not fused, because Triton or a GPU of compute capability 8 is missing"
    if list_fused(lm):
        return True, "layers: fused already"
    layers = [FusedDecoderLayer.read(layer, lm.model.config) for layer in find_layers(lm)]
    fused = [layer for layer in layers if layer is not None]
    if not fused or len(fused) < len(layers):
        return False, "layers: not fused, because this model or adapter has parts that the fused layer does not know"
    try:
        error = max(measure_difference(lm, layer) for layer in fused)
    except Exception as exc:  # whatever goes wrong in a compiler: the layers as they were are still there
        return False, f"layers: not fused, because the check fails: {type(exc).__name__}"
    if not error <= _TOLERANCE[lm.dtype]:
        return False, f"layers: not fused, because results differ (relative error {error:.1e})"
    for layer in fused:
        layer.install()
    return True, f"layers: fused, weights merged with the adapter at each use (checked, relative error {error:.1e})"


def measure_difference(lm: CausalLM, layer: FusedDecoderLayer) -> float:
    """Compare a fused layer with the layer as it was: its result, and the gradients of its input and its adapter.

    Args:
        lm: The model.
        layer: One of its layers, not installed.

    Returns:
        The largest relative error of these tensors, by norm.
    """
    generator = torch.Generator(lm.device).manual_seed(0)
    hidden = int(lm.model.config.get_text_config().hidden_size)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=lm.device)

    states, upstream = (draw(1, 2 * _PROBE, hidden).to(lm.dtype) for _ in range(2))
    position_ids = torch.arange(2 * _PROBE, device=lm.device)[None] % _PROBE
    cu_seqlens = torch.tensor([0, _PROBE, 2 * _PROBE], dtype=torch.int32, device=lm.device)
    samples = {"cu_seq_lens_q": cu_seqlens, "cu_seq_lens_k": cu_seqlens, "max_length_q": _PROBE, "max_length_k": _PROBE}
    embeddings = lm.body.rotary_emb(states, position_ids)

    def run(forward: Any) -> tuple[torch.Tensor, ...]:
        inputs = states.clone().requires_grad_()
        with lm.autocast():
            out = forward(inputs, position_ids=position_ids, position_embeddings=embeddings, **samples)
        return out.detach(), *torch.autograd.grad(out, [inputs, *layer.parameters], upstream)

    lora_b = layer.parameters[1::2]
    before = [matrix.detach().clone() for matrix in lora_b]
    try:
        with torch.no_grad():  # of a new adapter they are 0, which would hide half of the work
            for matrix in lora_b:
                matrix.copy_(draw(*matrix.shape) * _PROBE_SCALE)
        pairs = zip(run(layer.forward), run(layer.original_forward), strict=True)
        return max(float((ours.float() - theirs.float()).norm() / theirs.float().norm()) for ours, theirs in pairs)
    finally:
        with torch.no_grad():
            for matrix, value in zip(lora_b, before, strict=True):
                matrix.copy_(value)


def recompute_activations(lm: CausalLM) -> None:
    """Recompute activations in the backward pass from here on, instead of keeping them.

    Args:
        lm: The model, changed in place.
    """
    if fused := list_fused(lm):
        for layer in fused:
            layer.recompute = True
        return
    with quiet_deprecations():
        lm.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
