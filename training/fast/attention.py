"""Attention over packed rows: which implementation runs, and the check that it keeps samples apart.

============  ====================================================================================================
`rows`        a kernel of ours, by positions; the quickest for samples as short as chats'; CUDA of capability 8 and up,
              bfloat16 or float16, with Triton
`varlen`      FlashAttention inside torch, by cu_seqlens; CUDA of capability 8 and up, bfloat16 or float16
`segments`    one call of scaled dot-product attention a sample; the quickest on a CPU
`sdpa`        one call with the block-diagonal mask that transformers makes where positions restart; anywhere
`alone`       no packing: rows of one sample, for models that mix the samples of a row whatever is done
============  ====================================================================================================
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from training.data.tokens import Encoded, flatten
from training.model.causal_lm import CausalLM
from training.model.device import Device, can_run_kernels
from training.model.packed_sequence import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATHS = ("rows", "varlen", "segments", "sdpa", "alone")
_REGISTERED = {path: f"clone_{path}" for path in ("rows", "varlen", "segments")} | {"sdpa": "sdpa", "alone": "sdpa"}
_LEAK = 1e-4  # nothing but the choice of another kernel for other values may show
# Noise of a whole forward pass between two exact implementations, as a share of the largest hidden state: 32 layers of
# random weights made 0.06 in bfloat16 on an H200.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1.2e-1}


def register_attention() -> None:
    """Make our implementations known to transformers under the names that `name_attention` gives."""
    from transformers import AttentionInterface

    for path, attend in (("rows", attend_packed), ("varlen", attend_varlen), ("segments", attend_per_sample)):
        AttentionInterface.register(_REGISTERED[path], attend)


def name_attention(path: str) -> str:
    """Return what transformers calls a path."""
    return _REGISTERED[path]


def attend_per_sample(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    dropout: float = 0.0,
    cu_seq_lens_q: torch.Tensor | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sample by a call of its own.

    Args:
        module: The layer that asks; unused.
        query: Shape (1, heads, tokens, width).
        key: Shape (1, key-value heads, tokens, width).
        value: Like `key`.
        attention_mask: Unused; the cu_seqlens say what a mask would.
        scaling: Of the products.
        dropout: Of the attention weights.
        cu_seq_lens_q: Borders of the samples; one sample when left out.

    Returns:
        Shape (1, tokens, heads, width), and None for the weights.
    """
    lengths = [query.shape[2]] if cu_seq_lens_q is None else [n for n in cu_seq_lens_q.diff().tolist() if n]
    gqa = query.shape[1] != key.shape[1]
    # On a CPU the backward pass of short sequences is some three times quicker in float32 than in bfloat16. And split
    # has a backward pass for all parts at once, where each slice would add up a gradient of full length.
    wide = [states.float() if states.device.type == "cpu" else states for states in (query, key, value)]
    parts = [
        scaled_dot_product_attention(q, k, v, dropout_p=dropout, is_causal=True, scale=scaling, enable_gqa=gqa)
        for q, k, v in zip(*(torch.split(states, lengths, dim=2) for states in wide), strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2).to(query.dtype).contiguous(), None


def attend_varlen(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sample by torch's variable-length attention; shapes as in `attend_per_sample`."""
    if cu_seq_lens_q is None or max_length_q is None:
        return attend_per_sample(module, query, key, value, attention_mask, scaling=scaling, **rest)
    from torch.nn.attention.varlen import varlen_attn

    if query.dtype is torch.float32:  # rotary positions leave autocast's format on some models
        query, key, value = (states.to(torch.get_autocast_dtype("cuda")) for states in (query, key, value))
    attended = varlen_attn(
        query.squeeze(0).transpose(0, 1),
        key.squeeze(0).transpose(0, 1),
        value.squeeze(0).transpose(0, 1),
        cu_seq_lens_q,
        cu_seq_lens_q,
        max_length_q,
        max_length_q,
        scale=scaling,
        window_size=(-1, 0),  # causal
        **_let_heads_share(),
    )
    assert isinstance(attended, torch.Tensor)  # noqa: S101 - a pair only where more was asked for
    return attended.unsqueeze(0), None


@torch.compiler.disable  # type: ignore[untyped-decorator]  # torch leaves it so
def attend_packed(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    scaling: float | None = None,
    position_ids: torch.Tensor | None = None,
    max_length_q: int | None = None,
    **rest: Any,
) -> tuple[torch.Tensor, None]:
    """Attend within each sample by kernels of ours; shapes as in `attend_per_sample`.

    Raises:
        ValueError: The heads have a width that the kernels don't know.
    """
    if position_ids is None or max_length_q is None:
        return attend_varlen(module, query, key, value, attention_mask, scaling=scaling, **rest)
    width = query.shape[3]
    if width < 16 or width & (width - 1):
        raise ValueError(f"Heads are {width} numbers wide, which is no power of two from 16 up.")
    if query.dtype is torch.float32:
        query, key, value = (states.to(torch.get_autocast_dtype("cuda")) for states in (query, key, value))
    parts = [_lay_out(states) for states in (query, key, value)]
    scale = width**-0.5 if scaling is None else scaling
    attended: torch.Tensor = _PackedAttention.apply(*parts, position_ids.squeeze(0), scale, max_length_q)  # type: ignore[no-untyped-call]
    return attended.unsqueeze(0), None


def _lay_out(states: torch.Tensor) -> torch.Tensor:
    """Return shape (tokens, heads, width) with heads side by side, as kernels expect it."""
    part = states.squeeze(0).transpose(0, 1)  # an index instead would copy the gradient
    return part if part.stride()[1:] == (part.shape[2], 1) else part.contiguous()


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, positions: Any, scale: float, longest: int) -> Any:
        from training.kernels.attention import attend

        out, logs = attend(query, key, value, positions, scale)
        ctx.save_for_backward(query, key, value, positions, out, logs)
        ctx.scale, ctx.longest = scale, longest
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        from training.kernels.attention import attend_back

        found = attend_back(gradients[0].contiguous(), *ctx.saved_tensors, scale=ctx.scale, longest=ctx.longest)
        return *found, None, None, None


@cache
def _let_heads_share() -> dict[str, Any]:
    """Return what torch wants to be told where key-value heads are fewer; up to 2.11 it needs no telling."""
    from torch.nn.attention.varlen import varlen_attn

    return {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


def choose_attention(lm: CausalLM, device: Device, *, wanted: str = "auto", max_tokens: int) -> tuple[str, str]:
    """Set the quickest implementation that is right for this model on this device.

    Args:
        lm: The model; its implementation is changed in place.
        device: Where it runs.
        wanted: One of PATHS, or `auto`.
        max_tokens: Longest sample: a sliding window as long as that changes nothing.

    Returns:
        The path that runs, and a line that says which and why not a quicker one.
    """
    register_attention()
    refused: list[str] = []
    for path in _list_candidates(device, lm.dtype) if wanted == "auto" else (wanted, "sdpa"):
        if path != "sdpa" and _window(lm.model.config) < max_tokens:
            refused.append(f"{path}: the model's window is shorter than a sample")
            continue
        try:
            lm.model.set_attn_implementation(name_attention(path))
            error, leak = measure_leakage(lm)
        except (ImportError, RuntimeError, ValueError, TypeError, AttributeError) as exc:
            refused.append(f"{path}: {type(exc).__name__}")
            continue
        if error <= _TOLERANCE[lm.dtype] and leak <= _LEAK:
            why = f"; not {', '.join(refused)}" if refused else ""
            return path, f"attention: {path}, samples kept apart (checked, relative error {error:.1e}){why}"
        refused.append(f"{path}: mixes samples (relative error {max(error, leak):.1e})")
    lm.model.set_attn_implementation("sdpa")
    return "alone", f"attention: alone, one sample a row; not {', '.join(refused)}"


def _list_candidates(device: Device, dtype: torch.dtype) -> tuple[str, ...]:
    if device.type == "cpu":
        return ("segments", "sdpa")
    if dtype is torch.float32 or not device.flash:
        return ("sdpa",)
    return ("rows", "varlen", "sdpa") if can_run_kernels() else ("varlen", "sdpa")


def _window(config: Any) -> float:
    return getattr(config.get_text_config(), "sliding_window", None) or float("inf")


@torch.no_grad()
def measure_leakage(lm: CausalLM) -> tuple[float, float]:
    """Compare a packed row with its samples read one by one, and with a row whose first sample differs.

    Returns:
        The largest difference of a hidden state from the sample read alone, and the largest that other words in
        another sample make, both as shares of the largest hidden state. The second is 0 where samples are kept apart.
    """
    rng = np.random.default_rng(0)
    first, *rest = (rng.integers(3, 200, size=length) for length in (5, 11, 8))
    was_training = lm.model.training
    lm.model.eval()
    try:
        packed = _read(lm, [first, *rest])
        apart = torch.cat([_read(lm, [sample]) for sample in (first, *rest)])
        other = _read(lm, [first[::-1] + 1, *rest])
    finally:
        lm.model.train(was_training)
    scale = apart.abs().max()
    own = len(first) - 1  # the first token of a sample is predicted by none
    return float((packed - apart).abs().max() / scale), float((packed - other)[own:].abs().max() / scale)


def _read(lm: CausalLM, samples: list[NDArray[np.int64]]) -> torch.Tensor:
    tokens = flatten(Encoded(sample.tolist(), [1] * len(sample)) for sample in samples)
    row = pack(tokens, np.arange(len(samples))).to(lm.device)
    with lm.autocast():
        return lm.read(row).float()
