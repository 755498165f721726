"""What a training run will need, said before it starts, and how to cut rows so that it fits.

Memory is a sum of parts that can each be explained; `Memory` names them. Time is not modelled: a row is run once, and
its time is multiplied.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from training.config import LoraSettings, TrainConfig
from training.model.base import BaseModel, find_targets, map_hub_errors
from training.model.causal_lm import LOGITS_CHUNK
from training.model.device import GIB, Device

SPARE = 0.9  # share of the free memory to plan with: allocators leave holes
_SMALL_ROW = 1024  # tokens below which a forward pass wastes the device
_CPU_ROW = 2048  # tokens above which a longer row is no quicker on a CPU
_EXPANDED_SHARE = 0.25  # of free main memory that unpacked weights may take


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
    """Count the weights of a model; they may lie on the meta device."""
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
        """Return the sum."""
        return self.weights + self.adapter + self.activations + self.attention + self.logits

    def to_json(self) -> dict[str, float]:
        """Return GiB by part."""
        parts = {name: getattr(self, name) for name in self.__slots__} | {"total": self.total}
        return {name: round(size / GIB, 3) for name, size in parts.items()}


def count_4bit_bytes(weights: int) -> int:
    """Return the size of weights in NF4 with double quantisation.

    Half a byte a weight; a byte for the scale of each 64; a float32 for each 256 of those.

    Source: Dettmers et al., "QLoRA", 2023, section 3, double quantisation.
    """
    scales = -(-weights // 64)
    return weights // 2 + scales + 4 * -(-scales // 256)


def count_weight_bytes(dims: ModelDims, *, quantised: bool, dequantised: bool, dtype: torch.dtype) -> int:
    """Return the size of the base model in memory."""
    packed = quantised and not dequantised
    linear = count_4bit_bytes(dims.linear) if packed else dims.linear * dtype.itemsize
    return linear + dims.other * dtype.itemsize


def count_activation_bytes(dims: ModelDims, *, dtype: torch.dtype, compiled: bool, fused: bool = False) -> int:
    """Return what one token of one layer keeps for the backward pass.

    Each linear output is kept. Layers that run as written keep, besides, the activation and the product of the
    feed-forward part, and float32 copies in the two norms; compiled ones only the norms' results. Fused layers keep
    their input, and of the outputs all but the last.

    Source: fitted to peak memory of a 7B Mistral on an H200: 62.1 GiB for about 9,200 tokens as written, 31.1 GiB for
    8,192 compiled.
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
        dequantised: 4-bit values are held unpacked.
        masked: Attention makes a mask of all pairs of tokens.
        compiled: The layers are compiled.
        fused: The layers are fused, which goes before `compiled`.
        kept: Fused layers keep merged weights and normalised states for the backward pass.
    """
    each = max_pack_tokens * count_activation_bytes(dims, dtype=dtype, compiled=compiled, fused=fused)
    between = max_pack_tokens * dims.layers * dims.hidden * dtype.itemsize
    waiting = between + each if checkpointing else dims.layers * each
    weights = count_weight_bytes(dims, quantised=config.load_in_4bit, dequantised=dequantised, dtype=dtype)
    if kept:
        waiting += 2 * between
        weights += dims.linear * dtype.itemsize
    logits = min(LOGITS_CHUNK, max_pack_tokens) * dims.vocabulary * (4 + 4 + dtype.itemsize)
    if fused:
        # Inside a layer: the widest gradient, that of its result, normalised states, and merged weights. The logits are
        # gone by then, and while they are there, nothing of it is, nor a layer's activations that are made again.
        passing = max_pack_tokens * (dims.widest + 2 * dims.hidden)
        if not kept:
            passing += dims.linear // dims.layers if checkpointing else 2 * dims.widest * dims.hidden
        passing *= dtype.itemsize
        waiting += passing
        later = passing + each if checkpointing else passing
        logits = max(0, min(LOGITS_CHUNK, max_pack_tokens) * dims.vocabulary * 2 * dtype.itemsize - later)
    state = 2 if config.optimizer == "paged_adamw_8bit" else 8
    return Memory(
        weights=weights,
        adapter=dims.adapter * (4 + 4 + state),
        activations=waiting,
        attention=max_pack_tokens**2 * dtype.itemsize if masked else 0,
        logits=logits,
    )


def is_worth_dequantising(dims: ModelDims, device: Device, dtype: torch.dtype) -> bool:
    """Tell whether 4-bit values should be held unpacked: on a CPU, where that is quicker, if memory is plenty."""
    size = count_weight_bytes(dims, quantised=True, dequantised=True, dtype=dtype)
    return device.type == "cpu" and size < _EXPANDED_SHARE * device.free_bytes


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


def fit_plan(dims: ModelDims, config: TrainConfig, device: Device, *, longest: int, **how: Any) -> Plan:
    """Choose the rows: as long as an update and without recomputing if memory allows, else what costs least speed.

    Args:
        dims: The model.
        config: What it leaves open is chosen.
        device: What there is.
        longest: Tokens of the longest sample, below which no row can be.
        how: Passed on to `estimate_memory`.
    """
    top = min(config.batch_tokens, _CPU_ROW) if device.type == "cpu" else config.batch_tokens
    halves = [config.max_pack_tokens] if config.max_pack_tokens else [top >> n for n in range(12) if top >> n >= 64]
    rows = list(dict.fromkeys(max(longest, row) for row in halves))
    long_rows = [row for row in rows if row >= _SMALL_ROW] or rows[:1]
    choices = [(row, False) for row in long_rows] + [(row, True) for row in rows]
    if config.checkpointing is not None:
        choices = [(row, config.checkpointing) for row in rows]
    for row, recompute in choices:
        memory = estimate_memory(dims, config, max_pack_tokens=row, checkpointing=recompute, **how)
        if memory.total <= SPARE * device.free_bytes:
            return Plan(max_pack_tokens=row, checkpointing=recompute, memory=memory, fits=True)
    return Plan(max_pack_tokens=row, checkpointing=recompute, memory=memory, fits=False)


def advise(plan: Plan, config: TrainConfig, device: Device) -> str | None:
    """Say what to change when a run won't fit; None when it fits."""
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
