"""The reference of attention: every sample for itself, and the gradients that autograd finds."""

from __future__ import annotations

import pytest
import torch
from models import measure_error
from torch.nn.functional import scaled_dot_product_attention

from training.kernels.attention import packed_attention, packed_attention_backward

LENGTHS = [5, 1, 9, 3]
SCALE = 0.3


def draw(*, heads: int, kv_heads: int, width: int = 8) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(heads + kv_heads)

    def draw_heads(count: int) -> torch.Tensor:
        return torch.randn(sum(LENGTHS), count, width, generator=generator, requires_grad=True)

    return draw_heads(heads), draw_heads(kv_heads), draw_heads(kv_heads)


def attend_alone(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """Attend in each sample by torch's own function."""
    parts = []
    for sample in zip(*(torch.split(states, LENGTHS) for states in (query, key, value)), strict=True):
        q, k, v = (part.transpose(0, 1)[None] for part in sample)
        attended = scaled_dot_product_attention(q, k, v, is_causal=True, scale=SCALE, enable_gqa=True)
        parts.append(attended[0].transpose(0, 1))
    return torch.cat(parts)


@pytest.fixture
def position_ids() -> torch.Tensor:
    return torch.cat([torch.arange(length) for length in LENGTHS])


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (3, 1)])
def test_each_sample_attends_to_itself_alone(position_ids: torch.Tensor, heads: int, kv_heads: int) -> None:
    inputs = draw(heads=heads, kv_heads=kv_heads)
    out, _ = packed_attention(*inputs, position_ids, scale=SCALE)
    assert measure_error(out, attend_alone(*inputs)) < 1e-6


@pytest.mark.parametrize(("heads", "kv_heads"), [(4, 4), (4, 2), (3, 1)])
def test_gradients_are_those_that_autograd_finds(position_ids: torch.Tensor, heads: int, kv_heads: int) -> None:
    inputs = draw(heads=heads, kv_heads=kv_heads)
    out, log_sum_exp = packed_attention(*inputs, position_ids, scale=SCALE)
    upstream = torch.randn(out.shape, generator=torch.Generator().manual_seed(0))
    expected = torch.autograd.grad(attend_alone(*inputs), inputs, upstream)
    gradients = packed_attention_backward(upstream, *inputs, position_ids, out, log_sum_exp, scale=SCALE)
    for gradient, exact in zip(gradients, expected, strict=True):
        assert gradient.shape == exact.shape
        assert measure_error(gradient, exact) < 1e-5


def test_logarithms_of_the_sums_are_to_base_2(position_ids: torch.Tensor) -> None:
    query, key, value = draw(heads=1, kv_heads=1)
    _, log_sum_exp = packed_attention(query, key, value, position_ids, scale=SCALE)
    second = LENGTHS[0] + LENGTHS[1] + 1  # sees two keys of its sample
    scores = SCALE * (query[second, 0] * key[second - 1 : second + 1, 0]).sum(-1)
    assert float(2 ** log_sum_exp[0, second].detach()) == pytest.approx(float(scores.exp().sum().detach()), rel=1e-5)
