"""What a product with NF4 weights reads: the reference against the operations it joins."""

from __future__ import annotations

import pytest
import torch

from training.kernels.matvec_input import KINDS, matvec_input
from training.kernels.rms_norm import rms_norm
from training.kernels.swiglu import swiglu

COLUMNS = 64


@pytest.mark.parametrize("kind", KINDS)
def test_states_are_prepared_scaled_and_reordered(kind: str) -> None:
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(3, COLUMNS * (2 if kind == "swiglu" else 1), generator=generator) * 300
    weight, lora_a = torch.rand(COLUMNS, generator=generator), torch.randn(32, COLUMNS, generator=generator)
    scales = torch.rand(32, generator=generator)
    exact = {
        "plain": lambda: states,
        "norm": lambda: rms_norm(states, weight, eps=1e-5),
        "swiglu": lambda: swiglu(states),
    }
    prepared = exact[kind]()
    halves, factor, low_rank = matvec_input(states, lora_a, scales, kind=kind, weight=weight, eps=1e-5)
    assert halves.dtype is torch.float16
    assert halves.abs().max() <= 1
    back = torch.empty_like(prepared)
    back[:, 0::2], back[:, 1::2] = halves[:, 0].float(), halves[:, 1].float()
    assert torch.allclose(back * factor[:, None], prepared, rtol=1e-3, atol=1e-3 * float(prepared.abs().max()))
    assert torch.allclose(low_rank, prepared @ lora_a.t() * scales, rtol=1e-4, atol=1e-2)


def test_a_token_of_zeros_stays_one() -> None:
    halves, factor, low_rank = matvec_input(
        torch.zeros(1, COLUMNS), torch.ones(16, COLUMNS), torch.ones(16), kind="plain"
    )
    assert factor.item() > 0
    assert not halves.any()
    assert not low_rank.any()
