"""Root mean square normalisation.

    y = w x r, r = (mean(x^2) + eps)^(-1/2)
    dx = r (w dy - x r mean(w dy x r))

The weight w is frozen, so it gets no gradient. A token's numbers stay in registers between the two passes that the
mean takes; torch.compile takes as long for a number of tokens that it was compiled for, and longer for any number.

Source: Zhang and Sennrich, "Root Mean Square Layer Normalization", 2019, equation 4.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

import torch

from training.kernels.optional_triton import jit, tl, triton


def rms_norm(states: torch.Tensor, weight: torch.Tensor, *, eps: float) -> torch.Tensor:
    """Normalise each token: the reference.

    Args:
        states: Shape (tokens, hidden).
        weight: Shape (hidden,).
        eps: Added to the mean square.

    Returns:
        Shape and format of `states`; it is rounded once before the weight and once after it, as transformers does.
    """
    wide = states.float()
    wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return weight * wide.to(states.dtype)


def rms_norm_backward(
    gradient: torch.Tensor, states: torch.Tensor, weight: torch.Tensor, residual_grad: torch.Tensor, *, eps: float
) -> torch.Tensor:
    """Return the gradient of the states, with that of the residual connection added: the reference.

    Args:
        gradient: Of what `rms_norm` returned; shape (tokens, hidden).
        states: As given to it.
        weight: The same.
        residual_grad: What reaches the states past the normalised branch; shape (tokens, hidden).
        eps: As given to it.

    Returns:
        Shape and format of `states`.
    """
    wide = states.float()
    scale = torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    wide = wide * scale
    inner = gradient.float() * weight.float()
    inner = scale * (inner - wide * (inner * wide).mean(-1, keepdim=True))
    return (inner + residual_grad.float()).to(states.dtype)


@jit
def _rms_norm(states, weight, out, eps, HIDDEN: tl.constexpr, PADDED: tl.constexpr):  # type: ignore[no-untyped-def]
    column = tl.arange(0, PADDED)
    inside = column < HIDDEN
    at = tl.program_id(0).to(tl.int64) * HIDDEN + column
    wide = tl.load(states + at, mask=inside, other=0.0).to(tl.float32)
    wide = (wide * tl.rsqrt(tl.sum(wide * wide, 0) / HIDDEN + eps)).to(out.dtype.element_ty).to(tl.float32)
    wide *= tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + at, wide.to(out.dtype.element_ty), mask=inside)


def rms_norm_triton(states: torch.Tensor, weight: torch.Tensor, *, eps: float) -> torch.Tensor:
    """Do what `rms_norm` does; arguments and result as there."""
    states = states.contiguous()
    out = torch.empty_like(states)
    hidden = states.shape[1]
    padded = triton.next_power_of_2(hidden)
    _rms_norm[(len(states),)](states, weight, out, eps, HIDDEN=hidden, PADDED=padded, num_warps=_count_warps(padded))
    return out


@jit
def _rms_norm_backward(  # type: ignore[no-untyped-def]  # Triton compiles it
    gradient,
    states,
    weight,
    residual_grad,
    out,
    eps,
    HIDDEN: tl.constexpr,
    PADDED: tl.constexpr,
):
    column = tl.arange(0, PADDED)
    inside = column < HIDDEN
    at = tl.program_id(0).to(tl.int64) * HIDDEN + column
    wide = tl.load(states + at, mask=inside, other=0.0).to(tl.float32)
    inner = tl.load(gradient + at, mask=inside, other=0.0).to(tl.float32)
    inner *= tl.load(weight + column, mask=inside, other=0.0).to(tl.float32)
    scale = tl.rsqrt(tl.sum(wide * wide, 0) / HIDDEN + eps)
    wide *= scale
    inner = scale * (inner - wide * (tl.sum(inner * wide, 0) / HIDDEN))
    inner += tl.load(residual_grad + at, mask=inside, other=0.0).to(tl.float32)
    tl.store(out + at, inner.to(out.dtype.element_ty), mask=inside)


def rms_norm_backward_triton(
    gradient: torch.Tensor, states: torch.Tensor, weight: torch.Tensor, residual_grad: torch.Tensor, *, eps: float
) -> torch.Tensor:
    """Do what `rms_norm_backward` does; arguments and result as there."""
    gradient, states, residual_grad = gradient.contiguous(), states.contiguous(), residual_grad.contiguous()
    out = torch.empty_like(states)
    hidden = states.shape[1]
    padded = triton.next_power_of_2(hidden)
    _rms_norm_backward[(len(states),)](
        gradient,
        states,
        weight,
        residual_grad,
        out,
        eps,
        HIDDEN=hidden,
        PADDED=padded,
        num_warps=_count_warps(padded),
    )
    return out


def _count_warps(numbers: int) -> int:
    return min(16, max(1, numbers // 512))
