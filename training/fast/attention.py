"""Attention over packed sequences: which implementation runs, and the check that it keeps samples apart.

=============  ===================================================================================================
`packed`       a kernel of this project, by position ids; the quickest for samples as short as chats'; CUDA of compute
               capability 8 and up, bfloat16 or float16, with Triton
`varlen`       FlashAttention inside torch, by cu_seqlens; CUDA of compute capability 8 and up, bfloat16 or float16
`per_sample`   one call of scaled dot-product attention a sample; the quickest on a CPU
`sdpa`         one call with the block-diagonal mask that transformers makes where position ids restart; anywhere
`unpacked`     no packing, one sample a forward pass: for models that mix samples whatever is done
=============  ===================================================================================================
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn.functional import scaled_dot_product_attention

from training.data.tokens import Encoded, flatten
from training.kernels.attention import packed_attention_backward_triton, packed_attention_triton
from training.model.causal_lm import CausalLM
from training.model.device import Device, can_run_kernels
from training.model.packed_sequence import pack

if TYPE_CHECKING:
    from numpy.typing import NDArray

PATHS = ("packed", "varlen", "per_sample", "sdpa", "unpacked")
GRAPHABLE = ("packed", "varlen")
"""Paths whose kernels a CUDA graph can replay: they never wait for the GPU."""
_LEAK = 1e-4  # nothing but the choice of another kernel for other values may show
# Noise of a whole forward pass between two exact implementations, as a share of the largest hidden state: 32 layers of
# random weights made 0.06 in bfloat16 on an H200.
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 2e-2, torch.bfloat16: 1.2e-1}


def register_attention() -> None:
    """Make the implementations of this module known to transformers under the names that `name_attention` gives."""
    from transformers import AttentionInterface

    for path, attend in _IMPLEMENTATIONS.items():
        AttentionInterface.register(name_attention(path), attend)


def name_attention(path: str) -> str:
    """Return what transformers calls a path.

    Args:
        path: One of PATHS.
    """
    return f"clone_{path}" if path in _IMPLEMENTATIONS else "sdpa"


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
        query: Shape (1, heads, tokens, head width).
        key: Shape (1, key-value heads, tokens, head width).
        value: Like `key`.
        attention_mask: Unused; `cu_seq_lens_q` says what a mask would.
        scaling: What products of queries and keys are multiplied by; None for 1 / sqrt(head width).
        dropout: Of the attention weights.
        cu_seq_lens_q: Where samples begin and end, shape (samples + 1,); one sample when left out.

    Returns:
        Shape (1, tokens, heads, head width), and None for the weights.
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
    """Attend within each sample by torch's variable-length attention.

    Args:
        module: As for `attend_per_sample`, which runs where the samples are unknown.
        query: As there.
        key: As there.
        value: As there.
        attention_mask: As there.
        scaling: As there.
        cu_seq_lens_q: As there.
        max_length_q: Tokens of the longest sample, or more.
        rest: For `attend_per_sample`.

    Returns:
        As there.
    """
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
        **_enable_gqa(),
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
    """Attend within each sample by the kernel of `training.kernels.attention`.

    Args:
        module: As for `attend_varlen`, which runs where the position ids are unknown.
        query: As there; a head is a power of two wide, from 16.
        key: As there.
        value: As there.
        attention_mask: As there.
        scaling: As there.
        position_ids: Position of each token in its sample; shape (1, tokens).
        max_length_q: Tokens of the longest sample, or more.
        rest: For `attend_varlen`.

    Returns:
        As there.

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
    """Return shape (tokens, heads, head width) with heads side by side, as kernels expect it."""
    part = states.squeeze(0).transpose(0, 1)  # an index instead would copy the gradient
    return part if part.stride()[1:] == (part.shape[2], 1) else part.contiguous()


class _PackedAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, position_ids: Any, scale: float, max_seqlen: int) -> Any:
        out, log_sum_exp = packed_attention_triton(query, key, value, position_ids, scale=scale)
        ctx.save_for_backward(query, key, value, position_ids, out, log_sum_exp)
        ctx.scale, ctx.max_seqlen = scale, max_seqlen
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        input_grads = packed_attention_backward_triton(
            gradients[0].contiguous(), *ctx.saved_tensors, scale=ctx.scale, max_seqlen=ctx.max_seqlen
        )
        return *input_grads, None, None, None


_IMPLEMENTATIONS: dict[str, Callable[..., tuple[torch.Tensor, None]]] = {
    "packed": attend_packed,
    "varlen": attend_varlen,
    "per_sample": attend_per_sample,
}


@cache
def _enable_gqa() -> dict[str, Any]:
    """Return the argument that torch asks for where key-value heads are fewer; up to 2.11 there is none."""
    from torch.nn.attention.varlen import varlen_attn

    return {"enable_gqa": True} if "enable_gqa" in inspect.signature(varlen_attn).parameters else {}


def choose_attention(lm: CausalLM, device: Device, *, requested: str = "auto", max_tokens: int) -> tuple[str, str]:
    """Set the quickest implementation that is right for this model on this device.

    Args:
        lm: The model; its implementation is changed in place.
        device: Where it runs.
        requested: One of PATHS, or `auto`.
        max_tokens: Longest sample, tokens: a sliding window as long as that changes nothing.

    Returns:
        The path that runs, and a line that says which and why not a quicker one.
    """
    register_attention()
    refused: list[str] = []
    for path in _list_candidates(device, lm.dtype) if requested == "auto" else (requested, "sdpa"):
        if path != "sdpa" and _read_window(lm.model.config) < max_tokens:
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
    return "unpacked", f"attention: unpacked, one sample a forward pass; not {', '.join(refused)}"


def _list_candidates(device: Device, dtype: torch.dtype) -> tuple[str, ...]:
    if device.type == "cpu":
        return ("per_sample", "sdpa")
    if dtype is torch.float32 or not device.flash:
        return ("sdpa",)
    return ("packed", "varlen", "sdpa") if can_run_kernels() else ("varlen", "sdpa")


def _read_window(config: Any) -> float:
    return getattr(config.get_text_config(), "sliding_window", None) or float("inf")


@torch.no_grad()
def measure_leakage(lm: CausalLM) -> tuple[float, float]:
    """Compare a packed sequence with its samples run one by one, and with one whose first sample differs.

    Args:
        lm: The model, with the attention to check.

    Returns:
        The largest difference of a hidden state from that of the sample alone, and the largest that other words in
        another sample make, both as shares of the largest hidden state. The second is 0 where samples are kept apart.
    """
    rng = np.random.default_rng(0)
    first, *rest = (rng.integers(3, 200, size=length) for length in (5, 11, 8))
    was_training = lm.model.training
    lm.model.eval()
    try:
        packed = _run(lm, [first, *rest])
        unpacked = torch.cat([_run(lm, [sample]) for sample in (first, *rest)])
        changed = _run(lm, [first[::-1] + 1, *rest])
    finally:
        lm.model.train(was_training)
    scale = unpacked.abs().max()
    own = len(first) - 1  # the first token of a sample is predicted by none
    return float((packed - unpacked).abs().max() / scale), float((packed - changed)[own:].abs().max() / scale)


def _run(lm: CausalLM, samples: list[NDArray[np.int64]]) -> torch.Tensor:
    tokens = flatten(Encoded(sample.tolist(), [1] * len(sample)) for sample in samples)
    packed = pack(tokens, np.arange(len(samples))).to(lm.device)
    with lm.autocast():
        return lm.forward(packed).float()
