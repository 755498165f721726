"""Every fast path of training against the layers as written, on the GPU. Each test prints the relative errors it found.

Run with: pytest -m gpu -s tests/gpu
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import invent_samples, make_base
from safetensors.torch import load_file, save_file

from training.config import make_config
from training.data.tokens import flatten
from training.fast.attention import attend_packed, attend_per_sample, choose_attention
from training.fast.compile import compile_layers
from training.fast.decoder_layer import fuse_layers, list_fused
from training.fast.lora_linear import Adapted, Group
from training.kernels import pieces
from training.loop.cuda_graph import GraphedBackward
from training.loop.loss import backward_pack
from training.model.base import attach_lora, load_base, resolve_base
from training.model.causal_lm import CausalLM, make_causal_lm
from training.model.device import can_run_kernels, inspect_device
from training.model.packed_sequence import pack

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not can_run_kernels(), reason="needs a GPU of compute capability 8 and Triton"),
]

# Against float32 there is more than rounding: weights are quantised from the format to compute in, so some fall on
# another of the 16 values. That alone makes 2e-2 in float16 and 5e-2 in bfloat16.
LENGTHS = [23, 7, 40, 12, 31, 64, 5, 90]
SHARE = 100.0  # of the loss: float16 gradients must be scaled up, as the trainer does


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_base(tmp_path_factory.mktemp("base") / "mistral", hidden=256)
    path = folder / "model.safetensors"
    weights = load_file(path)
    # The weights are ten times a real model's, whose rounding in 16 bit would hide everything else.
    calm = {name: value if value.dim() < 2 else value * 0.1 for name, value in weights.items()}
    save_file(calm, path, metadata={"format": "pt"})
    return folder


def load(base: Path, *, dtype: torch.dtype = torch.bfloat16, attention: str = "auto") -> CausalLM:
    """Load a base on the GPU, with an adapter whose second matrices are not 0, and choose its attention."""
    found = resolve_base(str(base), models_dir=base)
    model, _ = load_base(found, quantised=True, compute_dtype=dtype, device="cuda")
    adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 8, "alpha": 16}}).lora, seed=1)
    generator = torch.Generator().manual_seed(2)
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            value.data = (torch.randn(value.shape, generator=generator) * 0.02).to(value.device)
    lm = make_causal_lm(adapted, dtype=dtype, device="cuda")
    path, line = choose_attention(lm, inspect_device(), wanted=attention, max_tokens=max(LENGTHS))
    assert attention in ("auto", path), line
    lm.model.train()
    return lm


def collect(lm: CausalLM, rows: list[list[int]], *, pad_to: int | None = None) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of some rows."""
    tokens = flatten(invent_samples(LENGTHS))
    lm.model.zero_grad()
    longest = max(LENGTHS) if pad_to else None
    made = (pack(tokens, np.array(row), pad_to=pad_to, longest=longest).to("cuda") for row in rows)
    total = sum(float(backward_pack(lm, row, scale=lambda loss: loss * SHARE)) for row in made)
    return total, gather(lm)


def gather(lm: CausalLM) -> torch.Tensor:
    found = [value.grad.double().flatten() for value in lm.model.parameters() if value.grad is not None]
    return torch.cat(found)


def differ(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one.double() - other.double()).norm() / other.double().norm())


def recompute(lm: CausalLM) -> None:
    for layer in list_fused(lm):
        layer.recompute = True


def keep(lm: CausalLM) -> None:
    for layer in list_fused(lm):
        layer.keep = True


@pytest.mark.parametrize("change", [lambda lm: None, recompute, keep], ids=["fused", "recomputed", "kept"])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 8e-2), (torch.float16, 4e-2)], ids=["bf16", "fp16"])
def test_packed_fused_gradients_are_the_sum_over_samples(
    base: Path, dtype: torch.dtype, limit: float, change: Callable[[CausalLM], None]
) -> None:
    exact_loss, exact = collect(load(base, dtype=torch.float32), [[i] for i in range(8)])
    lm = load(base, dtype=dtype)
    _, written = collect(lm, [[0, 3, 5], [1, 2, 4, 6, 7]])
    fused, line = fuse_layers(lm)
    assert fused, line
    change(lm)
    fused_loss, gradients = collect(lm, [[0, 3, 5], [1, 2, 4, 6, 7]])
    print(f"{dtype}: as written {differ(written, exact):.1e}, fused {differ(gradients, exact):.1e}; {line}")  # noqa: T201 - what -s is for
    assert fused_loss == pytest.approx(exact_loss, rel=1e-2)
    assert differ(gradients, exact) < max(limit, 1.3 * differ(written, exact))


@pytest.mark.parametrize("layers", ["written", "compiled", "fused"])
@pytest.mark.parametrize("attention", ["rows", "varlen", "sdpa"])
def test_packed_gradients_are_the_sum_over_samples_by_each_attention(base: Path, attention: str, layers: str) -> None:
    _, exact = collect(load(base, dtype=torch.float32), [[i] for i in range(8)])
    lm = load(base, attention=attention)
    if layers == "fused":
        assert fuse_layers(lm)[0]
    elif layers == "compiled":
        assert compile_layers(lm, wanted=True)[0]
    _, packed = collect(lm, [[0, 3, 5], [1, 2, 4, 6, 7]], pad_to=256)
    print(f"{attention}, {layers}: {differ(packed, exact):.1e}")  # noqa: T201 - what -s is for
    assert differ(packed, exact) < 8e-2


def test_recorded_rows_teach_what_rows_teach(base: Path) -> None:
    lm = load(base)
    assert fuse_layers(lm)[0]
    _, plain = collect(lm, [[0, 1, 2], [3, 4, 5]])
    tokens = flatten(invent_samples(LENGTHS))
    said: list[str] = []
    graphs = GraphedBackward(lm, tokens, scale=lambda loss: loss * SHARE, tell=said.append)
    for _ in range(3):  # as written, graphed and played, played
        for value in lm.model.parameters():
            if value.grad is not None:
                value.grad.zero_()
        for row in ([0, 1, 2], [3, 4, 5]):
            graphs.learn(np.array(row), 1)
        torch.cuda.synchronize()
        error = differ(gather(lm), plain)
        print(f"graphed: {error:.1e}")  # noqa: T201 - what -s is for
        assert error < 2e-2
    assert said == []


@pytest.mark.parametrize(("rows", "columns", "rank"), [(256, 512, 16), (192, 320, 4), (1000, 64, 64)])
def test_merged_weights_are_those_of_the_reference(rows: int, columns: int, rank: int) -> None:
    import bitsandbytes

    torch.manual_seed(rows)
    layer = bitsandbytes.nn.Linear4bit(columns, rows, bias=False, quant_type="nf4", compress_statistics=True)
    layer.weight.data = torch.randn(rows, columns) * 0.02
    layer = layer.to("cuda")
    first = torch.nn.Parameter(torch.randn(rank, columns, device="cuda") * 0.1)
    second = torch.nn.Parameter(torch.randn(rows, rank, device="cuda") * 0.1)
    one = Adapted(layer=layer, first=first, second=second, scale=2.0)
    for dtype, limit in ((torch.float32, 1e-3), (torch.bfloat16, 4e-3), (torch.float16, 1e-3)):
        merged = Group([one]).merge(torch.empty(0, device="cuda", dtype=dtype))
        assert differ(merged, one.merge_plainly()) < limit


@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)], ids=["bf16", "fp16"])
@pytest.mark.parametrize("lengths", [LENGTHS, [300, 1, 700], [64, 64]], ids=["chats", "long", "whole tiles"])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_attention_along_rows_is_that_of_each_sample(
    dtype: torch.dtype, limit: float, lengths: list[int], groups: int
) -> None:
    torch.manual_seed(len(lengths))
    cu_seqlens = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32, device="cuda")
    positions = torch.cat([torch.arange(length) for length in lengths])[None].to("cuda")
    states = [torch.randn(1, heads, sum(lengths), 64, device="cuda", dtype=dtype) for heads in (4, groups, groups)]
    upstream = torch.randn(1, sum(lengths), 4, 64, device="cuda", dtype=dtype)
    rest = {"position_ids": positions, "cu_seq_lens_q": cu_seqlens, "max_length_q": max(lengths)}

    def run(attend: Callable[..., tuple[torch.Tensor, None]], dtype: torch.dtype) -> list[torch.Tensor]:
        given = [part.to(dtype).requires_grad_() for part in states]
        attended, _ = attend(torch.nn.Identity(), *given, None, **rest)
        return [attended, *torch.autograd.grad(attended, given, upstream.to(dtype))]

    for ours, exact in zip(run(attend_packed, dtype), run(attend_per_sample, torch.float32), strict=True):
        assert differ(ours, exact) < limit


@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 8e-3), (torch.float16, 1e-3)], ids=["bf16", "fp16"])
@pytest.mark.parametrize("width", [64, 96, 4096])
def test_pieces_on_a_gpu_are_those_on_a_cpu(width: int, dtype: torch.dtype, limit: float) -> None:
    torch.manual_seed(width)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape).to(dtype)

    tokens, heads, groups = 37, 4, 2
    states, gradient, also, weight = draw(tokens, width), draw(tokens, width), draw(tokens, width), draw(width)
    angles = torch.rand(tokens, width // 2).repeat(1, 2)
    turns = angles.cos(), angles.sin()
    parts = [draw(tokens, count, width) for count in (heads, groups, groups)]
    calls: list[tuple[Any, tuple[Any, ...]]] = [
        (pieces.normalise, (states, weight, 1e-5)),
        (pieces.denormalise, (gradient, states, weight, 1e-5, also)),
        (pieces.turn, (draw(tokens, (heads + 2 * groups) * width), *turns, heads, groups)),
        (pieces.turn_back, (*parts, *turns)),
        (pieces.gate, (draw(tokens, 2 * width),)),
        (pieces.ungate, (draw(tokens, 2 * width), gradient)),
        (pieces.ungate_narrow, (draw(tokens, 2 * width), gradient, draw(width, 4), draw(width, 4), draw(4, width))),
        (pieces.grade, (draw(tokens, width), torch.arange(tokens) - 3, torch.tensor(0.1))),
    ]
    for piece, inputs in calls:
        moved = [value.to("cuda") if isinstance(value, torch.Tensor) else value for value in inputs]
        ours, plain = pieces.run_piece(piece, *moved), piece(*inputs)
        for one, other in zip(*((x if isinstance(x, tuple) else (x,)) for x in (ours, plain)), strict=True):
            assert differ(one.cpu(), other) < limit, piece.__name__


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize(("width", "rank"), [(64, 4), (96, 16), (14336, 16), (4096, 40)])
def test_narrow_products_of_the_gates_are_those_on_a_cpu(width: int, rank: int, together: bool) -> None:
    from training.kernels import elementwise

    torch.manual_seed(width)
    joined, gradient, left, right, first = (
        torch.randn(shape, dtype=torch.bfloat16)
        for shape in ((37, 2 * width), (37, width), (width, rank), (width, rank), (rank, width))
    )
    plain = pieces.ungate_narrow(joined.float(), gradient.float(), left.float(), right.float(), first.float())
    joined, gradient, left, right, first = (x.to("cuda") for x in (joined, gradient, left, right, first))
    ours = elementwise.ungate_narrow(joined, gradient, left, right, first, together=together)
    for one, exact in zip(ours, plain, strict=True):
        assert differ(one.cpu(), exact) < 8e-3


def test_float16_learns_through_masks_as_on_a_card_without_bfloat16(base: Path) -> None:
    _, exact = collect(load(base, dtype=torch.float32), [[i] for i in range(8)])
    lm = load(base, dtype=torch.float16)
    lm.model.set_attn_implementation("sdpa")
    _, packed = collect(lm, [[0, 3, 5], [1, 2, 4, 6, 7]])
    print(f"float16, sdpa: {differ(packed, exact):.1e}")  # noqa: T201 - what -s is for
    assert differ(packed, exact) < 4e-2
