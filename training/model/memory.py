"""The memory that a training run needs, estimated before it starts, and how updates are cut so that it fits.

Memory is a sum of parts that can each be explained; `Memory` names them. Time is not modelled but measured, by
`training.loop.throughput`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from training.config import LoraSettings, TrainConfig
from training.model.base import BaseModel, map_hub_errors
from training.model.causal_lm import LOGITS_CHUNK
from training.model.device import GIB, Device
from training.model.lora import find_targets

SPARE = 0.9  # share of the free memory to plan with: allocators leave holes
_SMALL_PACK = 1024  # tokens below which a forward pass wastes the device
_CPU_PACK = 2048  # tokens above which a longer packed sequence is no quicker on a CPU
_DEQUANTISED_SHARE = 0.25  # of free main memory that dequantised weights may take


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelDims:
    """Sizes of a model, in numbers, without its weights.

    Args:
        linear: Weights of the linear layers between embedding and head, which 4 bit applies to.
        other: All other weights: embedding, norms, a head of its own.
        adapter: Weights of the adapter.
        layers: Decoder layers.
        hidden: Width between layers.
        widest: Width inside a layer, the widest output of one of its linear layers.
        outputs: Sum of the widths of all linear outputs of one layer.
        vocabulary: Width of the logits.
    """

    linear: int
    other: int
    adapter: int
    layers: int
    hidden: int
    widest: int
    outputs: int
    vocabulary: int


def read_dims(base: BaseModel, lora: LoraSettings) -> ModelDims:
    """Read a base model's configuration and count, without loading weights.

    Args:
        base: From `resolve_base`.
        lora: Shape of the adapter.

    Raises:
        ConfigError: The configuration can't be had.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    with map_hub_errors(base.name):
        config = AutoConfig.from_pretrained(base.source)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    return count_dims(model, lora)


def count_dims(model: Any, lora: LoraSettings) -> ModelDims:
    """Count the weights of a model.

    Args:
        model: A causal language model; its weights may lie on the meta device.
        lora: Shape of the adapter.
    """
    head = model.get_output_embeddings()
    linear = {
        name: layer for name, layer in model.named_modules() if isinstance(layer, torch.nn.Linear) and layer is not head
    }
    targets, _ = find_targets(model, lora.targets)
    adapted = [layer for name, layer in linear.items() if targets == "all-linear" or name.rpartition(".")[2] in targets]
    weights = sum(layer.weight.numel() for layer in linear.values())
    text = model.config.get_text_config()
    layers = max(1, int(text.num_hidden_layers))
    return ModelDims(
        linear=weights,
        other=sum(value.numel() for value in model.parameters()) - weights,
        adapter=sum(lora.r * (layer.in_features + layer.out_features) for layer in adapted),
        layers=layers,
        hidden=int(text.hidden_size),
        widest=max((layer.out_features for layer in linear.values()), default=0),
        outputs=sum(layer.out_features for layer in linear.values()) // layers,
        vocabulary=int(text.vocab_size),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Bytes of a training run at its peak, by what takes them.

    Args:
        weights: The base model.
        adapter: The adapter, its gradients and the optimiser's state.
        activations: What the forward pass keeps for the backward pass.
        attention: The mask, where one is made.
        logits: One chunk of logits and their gradient.
    """

    weights: int
    adapter: int
    activations: int
    attention: int
    logits: int

    @property
    def total(self) -> int:
        """Return the sum, bytes."""
        return self.weights + self.adapter + self.activations + self.attention + self.logits

    def to_json(self) -> dict[str, float]:
        """Return GiB by part."""
        parts = {name: getattr(self, name) for name in self.__slots__} | {"total": self.total}
        return {name: round(size / GIB, 3) for name, size in parts.items()}


def count_4bit_bytes(weights: int) -> int:
    """Return the size of weights in NF4 with double quantisation, bytes.

    Half a byte a weight; a byte for the scale of each 64; a float32 for each 256 of those.

    Args:
        weights: How many there are.

    Source: Dettmers et al., "QLoRA", 2023, section 3, double quantisation.
    """
    scales = -(-weights // 64)
    return weights // 2 + scales + 4 * -(-scales // 256)


def count_weight_bytes(dims: ModelDims, *, quantised: bool, dequantised: bool, dtype: torch.dtype) -> int:
    """Return the size of the base model in memory, bytes.

    Args:
        dims: The model.
        quantised: It is loaded in 4 bit.
        dequantised: Those values are held in the format to compute in.
        dtype: Format to compute in.
    """
    in_4bit = quantised and not dequantised
    linear = count_4bit_bytes(dims.linear) if in_4bit else dims.linear * dtype.itemsize
    return linear + dims.other * dtype.itemsize


def count_activation_bytes(dims: ModelDims, *, dtype: torch.dtype, compiled: bool, fused: bool = False) -> int:
    """Return what one token of one layer keeps for the backward pass, bytes.

    Each linear output is kept. Layers of transformers and peft keep, besides, the activation and the product of the
    feed-forward part, and float32 copies in the two norms; compiled ones only the norms' results. Fused layers keep
    their input, and of the outputs all but the last.

    Args:
        dims: The model.
        dtype: Format to compute in.
        compiled: The layers are compiled.
        fused: The layers are fused, which goes before `compiled`.

    Source: fitted to peak memory of a 7B Mistral on an H200: 62.1 GiB for about 9,200 tokens as
    transformers and peft run it, 31.1 GiB for 8,192 compiled.
    """
    if fused:
        return dtype.itemsize * (dims.outputs + dims.hidden)
    if compiled:
        return dtype.itemsize * dims.outputs + 5 * dims.hidden
    return dtype.itemsize * (dims.outputs + 2 * dims.widest) + 16 * dims.hidden


def estimate_memory(
    dims: ModelDims,
    config: TrainConfig,
    *,
    max_pack_tokens: int,
    checkpointing: bool,
    dtype: torch.dtype,
    dequantised: bool = False,
    masked: bool = False,
    compiled: bool = False,
    fused: bool = False,
    kept: bool = False,
) -> Memory:
    """Add up the memory of a run.

    Args:
        dims: The model.
        config: Quantisation, optimiser.
        max_pack_tokens: Tokens of a forward pass.
        checkpointing: Activations are recomputed: the input of each layer is kept, and one layer's activations.
        dtype: Format to compute in.
        dequantised: 4-bit values are held in the format to compute in.
        masked: Attention makes a mask of all pairs of tokens.
        compiled: The layers are compiled.
        fused: The layers are fused, which goes before `compiled`.
        kept: Fused layers keep merged weights and normalised states for the backward pass.
    """
    each = max_pack_tokens * count_activation_bytes(dims, dtype=dtype, compiled=compiled, fused=fused)
    between = max_pack_tokens * dims.layers * dims.hidden * dtype.itemsize
    activations = between + each if checkpointing else dims.layers * each
    weights = count_weight_bytes(dims, quantised=config.load_in_4bit, dequantised=dequantised, dtype=dtype)
    if kept:
        activations += 2 * between
        weights += dims.linear * dtype.itemsize
    logits = min(LOGITS_CHUNK, max_pack_tokens) * dims.vocabulary * (4 + 4 + dtype.itemsize)
    if fused:
        # Inside a layer: the widest gradient, that of its result, normalised states, and merged weights. The logits are
        # freed by then, and while they exist, nothing of this does, nor a layer's recomputed activations.
        inside = max_pack_tokens * (dims.widest + 2 * dims.hidden)
        if not kept:
            inside += dims.linear // dims.layers if checkpointing else 2 * dims.widest * dims.hidden
        inside *= dtype.itemsize
        activations += inside
        later = inside + each if checkpointing else inside
        logits = max(0, min(LOGITS_CHUNK, max_pack_tokens) * dims.vocabulary * 2 * dtype.itemsize - later)
    state = 2 if config.optimizer == "paged_adamw_8bit" else 8
    return Memory(
        weights=weights,
        adapter=dims.adapter * (4 + 4 + state),
        activations=activations,
        attention=max_pack_tokens**2 * dtype.itemsize if masked else 0,
        logits=logits,
    )


def is_worth_dequantising(dims: ModelDims, device: Device, dtype: torch.dtype) -> bool:
    """Tell whether 4-bit values should be held dequantised: on a CPU, where that is quicker, if memory is plenty.

    Args:
        dims: The model.
        device: Where it will run.
        dtype: Format to compute in.
    """
    size = count_weight_bytes(dims, quantised=True, dequantised=True, dtype=dtype)
    return device.type == "cpu" and size < _DEQUANTISED_SHARE * device.free_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How a run is fitted into the device's memory.

    Args:
        max_pack_tokens: Tokens of a forward pass.
        checkpointing: Recompute activations.
        memory: What that needs.
        fits: It needs less than there is.
    """

    max_pack_tokens: int
    checkpointing: bool
    memory: Memory
    fits: bool


def fit_plan(dims: ModelDims, config: TrainConfig, device: Device, *, max_seqlen: int, **options: Any) -> Plan:
    """Choose forward passes: as long as an update, not recomputed, if memory allows; else what costs least speed.

    Args:
        dims: The model.
        config: What it leaves open is chosen.
        device: What there is.
        max_seqlen: Longest sample, tokens, below which no forward pass can be.
        options: Passed on to `estimate_memory`.
    """
    top = min(config.batch_tokens, _CPU_PACK) if device.type == "cpu" else config.batch_tokens
    halves = [config.max_pack_tokens] if config.max_pack_tokens else [top >> n for n in range(12) if top >> n >= 64]
    sizes = list(dict.fromkeys(max(max_seqlen, size) for size in halves))
    large = [size for size in sizes if size >= _SMALL_PACK] or sizes[:1]
    choices = [(size, False) for size in large] + [(size, True) for size in sizes]
    if config.checkpointing is not None:
        choices = [(size, config.checkpointing) for size in sizes]
    for size, recompute in choices:
        memory = estimate_memory(dims, config, max_pack_tokens=size, checkpointing=recompute, **options)
        fits = memory.total <= SPARE * device.free_bytes
        if fits:
            break
    return Plan(max_pack_tokens=size, checkpointing=recompute, memory=memory, fits=fits)


def advise(plan: Plan, config: TrainConfig, device: Device) -> str | None:
    """Say what to change when a run won't fit; None when it fits.

    Args:
        plan: From `fit_plan`.
        config: What it was made for.
        device: The same.
    """
    if plan.fits:
        return None
    ways = []
    if not config.load_in_4bit:
        ways.append("load the base in 4 bit (--set load_in_4bit=true)")
    if config.preset != "small":
        ways.append("--preset small")
    if plan.max_pack_tokens > 256:
        ways.append(f"shorter samples (--set data.max_tokens={max(32, min(512, plan.max_pack_tokens // 2))})")
    ways.append("a smaller base (--base)")
    return (
        f"memory: about {plan.memory.total / GIB:.1f} GiB are needed and {device.free_bytes / GIB:.1f} GiB are free. "
        f"To need less: {', or '.join(ways)}."
    )
