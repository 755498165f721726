"""The element-wise work of a decoder layer and of the loss, and its derivatives, a function for each pass over memory.

They are plain torch: on a CPU they run as written, which is also what the compiled ones are tested against.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from training.model.device import can_run_kernels


def normalise(states: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """Divide by the root of the mean square; shape (tokens, hidden)."""
    wide = states.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * wide.to(states.dtype)


def denormalise(
    gradient: torch.Tensor, states: torch.Tensor, weight: torch.Tensor, eps: float, also: torch.Tensor
) -> torch.Tensor:
    """Return the gradient before `normalise` from that after it, plus another one."""
    wide = states.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    wide = wide * scale
    inner = gradient.float() * weight.float()
    inner = scale * (inner - wide * (inner * wide).mean(-1, keepdim=True))
    return (inner + also.float()).to(states.dtype)


def turn(
    joined: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, heads: int, groups: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Split queries, keys and values, and turn the first two by their positions.

    Args:
        joined: Shape (tokens, (heads + 2 groups) width).
        cos: Shape (tokens, width), both halves alike.
        sin: Like `cos`.
        heads: Of queries.
        groups: Heads of keys and values.
    """
    width = cos.shape[-1]
    whole = joined.view(joined.shape[0], heads + 2 * groups, width)
    turned = _turn_by(whole[:, : heads + groups], cos, sin)
    return turned[:, :heads].contiguous(), turned[:, heads:].contiguous(), whole[:, heads + groups :].contiguous()


def turn_back(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor
) -> torch.Tensor:
    """Return the gradient of `joined` in `turn` from those of its results."""
    parts = (_turn_by(query, cos, -sin), _turn_by(key, cos, -sin), value)
    return torch.cat([part.reshape(part.shape[0], -1) for part in parts], dim=1)


def _turn_by(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    half = cos.shape[-1] // 2
    left, right = states[..., :half].float(), states[..., half:].float()
    cos, sin = cos[:, None, :half].float(), sin[:, None, :half].float()
    return torch.cat((left * cos - right * sin, right * cos + left * sin), dim=-1).to(states.dtype)


def gate(joined: torch.Tensor) -> torch.Tensor:
    """Return silu(left half) times right half; shape (tokens, 2 width) to (tokens, width)."""
    left, right = joined.chunk(2, dim=1)
    return (torch.nn.functional.silu(left.float()) * right.float()).to(joined.dtype)


def ungate(joined: torch.Tensor, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `gate`'s result, made again, and the gradient of its input; both may take the memory of the inputs."""
    left, right = (half.float() for half in joined.chunk(2, dim=1))
    wide = gradient.float()
    share = torch.sigmoid(left)
    slope = share * (1 + left * (1 - share))
    back = torch.cat((wide * right * slope, wide * left * share), dim=1)
    return (left * share * right).to(joined.dtype), back.to(joined.dtype)


def ungate_narrow(
    joined: torch.Tensor,
    gradient: torch.Tensor,
    left_second: torch.Tensor,
    right_second: torch.Tensor,
    first: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return what `ungate` does, and the narrow products that the adapters around it need of the same numbers.

    The first two results may take the memory of the first two inputs.

    Args:
        joined: As for `ungate`.
        gradient: The same.
        left_second: Second matrix of the left half's adapter; shape (width, rank).
        right_second: The same of the right half's.
        first: First matrix of the adapter that reads the result; shape (rank, width).

    Returns:
        What `ungate` returns; the result times `first`, shape (tokens, rank); and the gradient times the second
        matrices, side by side, shape (tokens, 2 rank).
    """
    gated, back = ungate(joined, gradient)
    return gated, back, *multiply_narrow(gated, back, left_second, right_second, first)


def multiply_narrow(
    gated: torch.Tensor,
    back: torch.Tensor,
    left_second: torch.Tensor,
    right_second: torch.Tensor,
    first: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the narrow products of `ungate_narrow` from what `ungate` returns."""
    left, right = back.chunk(2, dim=1)
    return gated @ first.t(), torch.cat((left @ left_second, right @ right_second), dim=1)


def grade(logits: torch.Tensor, targets: torch.Tensor, factor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the summed cross-entropy, nats, and the gradient of the logits.

    Args:
        logits: Shape (tokens, vocabulary).
        targets: Shape (tokens,); below 0 where nothing is learned.
        factor: What the loss is multiplied by before it is differentiated; no dimensions.
    """
    wide = logits.float()
    total = torch.logsumexp(wide, dim=1, keepdim=True)
    supervised = (targets >= 0)[:, None]
    loss = torch.where(supervised, total - wide.gather(1, targets.clamp(min=0)[:, None]), 0.0).sum()
    right = torch.arange(logits.shape[1], device=logits.device)[None] == targets[:, None]
    return loss, ((torch.exp(wide - total) - right.float()) * (supervised * factor)).to(logits.dtype)


# Quicker than what torch.compile makes.
_OURS = ("normalise", "denormalise", "turn", "turn_back", "ungate", "ungate_narrow")
_COMPILED: dict[str, Callable[..., Any]] = {}


def run_piece(piece: Callable[..., Any], *inputs: Any) -> Any:
    """Run an element-wise piece: on a GPU by a kernel of ours, or compiled for any number of tokens."""
    if not inputs[0].is_cuda:
        return piece(*inputs)
    name = piece.__name__
    if name in _OURS and can_run_kernels():
        from training.kernels import elementwise

        return getattr(elementwise, name)(*inputs)
    return run_compiled(piece, *inputs)


def run_compiled(piece: Callable[..., Any], *inputs: Any) -> Any:
    """Run a piece compiled, for any number of tokens."""
    name = piece.__name__
    if name not in _COMPILED:
        _COMPILED[name] = torch.compile(piece, fullgraph=True)
    inputs = tuple(value.detach() if isinstance(value, torch.Tensor) else value for value in inputs)
    for value in inputs:
        if isinstance(value, torch.Tensor) and (value.dim() > 1 or value.dtype is torch.int64):
            torch._dynamo.maybe_mark_dynamic(value, 0)
    return _COMPILED[name](*inputs)
