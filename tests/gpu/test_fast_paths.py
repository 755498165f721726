"""Every fast path of training against the layers of transformers and peft, on the GPU.

Run with: pytest -m gpu -s tests/gpu. Each test then prints the relative errors that it found.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bitsandbytes
import numpy as np
import pytest
import torch
from models import collect_gradients, invent_samples, make_base, measure_error, run_packs
from safetensors.torch import load_file, save_file

from training.config import make_config
from training.data.tokens import flatten
from training.fast.attention import attend_packed, attend_per_sample, choose_attention
from training.fast.compile import compile_layers
from training.fast.dispatch import run_operation
from training.fast.fuse import fuse_layers, list_fused, recompute_activations
from training.fast.lora_linear import LoraGroup, LoraLinear
from training.kernels.attention import (
    packed_attention,
    packed_attention_backward,
    packed_attention_backward_triton,
    packed_attention_triton,
)
from training.kernels.cross_entropy import cross_entropy_and_gradient
from training.kernels.merge_lora import merge_lora
from training.kernels.rms_norm import rms_norm, rms_norm_backward
from training.kernels.rope import apply_rope, apply_rope_backward
from training.kernels.swiglu import swiglu, swiglu_backward, swiglu_lora_backward, swiglu_lora_backward_triton
from training.loop.cuda_graph import GraphedBackward
from training.model.base import load_base, resolve_base
from training.model.causal_lm import CausalLM, make_causal_lm
from training.model.device import can_run_kernels, inspect_device
from training.model.lora import attach_lora

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not can_run_kernels(), reason="needs a GPU of compute capability 8 and Triton"),
    # torch.compile recommends TF32 where a graph holds float32 products, which training keeps exact.
    pytest.mark.filterwarnings("ignore:TensorFloat32 tensor cores:UserWarning"),
    # torch.compile imports a module of torch's that still uses what torch deprecates.
    pytest.mark.filterwarnings(r"ignore:`torch\.jit\.script_method` is deprecated:DeprecationWarning"),
    # Tracing bitsandbytes's product, torch.compile makes an object of a class that torch wants to be used without.
    pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning"),
    # Tracing, torch.compile looks at the `.grad` of every tensor, and elsewhere warns of what it does itself.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
    pytest.mark.filterwarnings(r"ignore:::torch\._(dynamo|inductor|functorch)"),
    # torch.compile reports that it computes the softmax of a wide row in two passes.
    pytest.mark.filterwarnings(r"ignore:\s*Online softmax is disabled:UserWarning"),
]

# Against float32 there is more than rounding: weights are quantised from the format to compute in, so some fall on
# another of the 16 values. That alone makes 2e-2 in float16 and 5e-2 in bfloat16.
LENGTHS = [23, 7, 40, 12, 31, 64, 5, 90]
LOSS_SCALE = 100.0  # float16 gradients must be scaled up, as the trainer does
ALONE = [[index] for index in range(8)]
PACKS = [[0, 3, 5], [1, 2, 4, 6, 7]]


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
    """Load a base on the GPU, with an adapter whose lora_B matrices are not 0, and choose its attention."""
    found = resolve_base(str(base), models_dir=base)
    model, _ = load_base(found, quantised=True, compute_dtype=dtype, device="cuda")
    adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 8, "alpha": 16}}).lora, seed=1)
    generator = torch.Generator().manual_seed(2)
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            value.data = (torch.randn(value.shape, generator=generator) * 0.02).to(value.device)
    lm = make_causal_lm(adapted, dtype=dtype, device="cuda")
    path, line = choose_attention(lm, inspect_device(), requested=attention, max_tokens=max(LENGTHS))
    assert attention in ("auto", path), line
    lm.model.train()
    return lm


def run(lm: CausalLM, packs: list[list[int]], *, pad_to: int | None = None) -> tuple[float, torch.Tensor]:
    """Return the loss and all gradients of some packs."""
    return run_packs(lm, packs, lengths=LENGTHS, pad_to=pad_to, loss_scale=LOSS_SCALE)


def keep(lm: CausalLM) -> None:
    for layer in list_fused(lm):
        layer.keep = True


def tell(line: str) -> None:
    print(line)  # noqa: T201 - what -s is for


@pytest.mark.parametrize("change", [lambda lm: None, recompute_activations, keep], ids=["fused", "recomputed", "kept"])
@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 8e-2), (torch.float16, 4e-2)], ids=["bf16", "fp16"])
def test_packed_fused_gradients_are_the_sum_over_samples(
    base: Path, dtype: torch.dtype, limit: float, change: Callable[[CausalLM], None]
) -> None:
    exact_loss, exact = run(load(base, dtype=torch.float32), ALONE)
    lm = load(base, dtype=dtype)
    _, original = run(lm, PACKS)
    fused, line = fuse_layers(lm)
    assert fused, line
    change(lm)
    loss, gradients = run(lm, PACKS)
    error, original_error = measure_error(gradients, exact), measure_error(original, exact)
    tell(f"{dtype}: transformers {original_error:.1e}, fused {error:.1e}; {line}")
    assert loss == pytest.approx(exact_loss, rel=1e-2)
    assert error < max(limit, 1.3 * original_error)


@pytest.mark.parametrize("layers", ["original", "compiled", "fused"])
@pytest.mark.parametrize("attention", ["packed", "varlen", "sdpa"])
def test_packed_gradients_are_the_sum_over_samples_by_each_attention(base: Path, attention: str, layers: str) -> None:
    _, exact = run(load(base, dtype=torch.float32), ALONE)
    lm = load(base, attention=attention)
    if layers == "fused":
        assert fuse_layers(lm)[0]
    elif layers == "compiled":
        assert compile_layers(lm, setting=True)[0]
    _, gradients = run(lm, PACKS, pad_to=256)
    tell(f"{attention}, {layers}: {measure_error(gradients, exact):.1e}")
    assert measure_error(gradients, exact) < 8e-2


def test_replayed_graphs_train_as_passes_without_do(base: Path) -> None:
    lm = load(base)
    assert fuse_layers(lm)[0]
    packs = [[0, 1, 2], [3, 4, 5]]
    _, plain = run(lm, packs)
    lines: list[str] = []
    tokens = flatten(invent_samples(LENGTHS))
    graphs = GraphedBackward(lm, tokens, scale=lambda loss: loss * LOSS_SCALE, report=lines.append)
    for _ in range(3):  # without a graph, captured and replayed, replayed
        for value in lm.model.parameters():
            if value.grad is not None:
                value.grad.zero_()
        for samples in packs:
            graphs.backward(np.array(samples), 1)
        torch.cuda.synchronize()
        error = measure_error(collect_gradients(lm), plain)
        tell(f"CUDA graph: {error:.1e}")
        assert error < 2e-2
    assert lines == []


def test_float16_trains_through_masks_as_on_a_card_without_bfloat16(base: Path) -> None:
    _, exact = run(load(base, dtype=torch.float32), ALONE)
    lm = load(base, dtype=torch.float16)
    lm.model.set_attn_implementation("sdpa")
    _, gradients = run(lm, PACKS)
    tell(f"float16, sdpa: {measure_error(gradients, exact):.1e}")
    assert measure_error(gradients, exact) < 4e-2


@pytest.mark.parametrize(("rows", "columns", "rank"), [(256, 512, 16), (192, 320, 4), (1000, 64, 64)])
def test_merged_weights_are_those_of_the_reference(rows: int, columns: int, rank: int) -> None:
    torch.manual_seed(rows)
    layer = bitsandbytes.nn.Linear4bit(columns, rows, bias=False, quant_type="nf4", compress_statistics=True)
    layer.weight.data = torch.randn(rows, columns) * 0.02
    layer = layer.to("cuda")
    lora_a = torch.nn.Parameter(torch.randn(rank, columns, device="cuda") * 0.1)
    lora_b = torch.nn.Parameter(torch.randn(rows, rank, device="cuda") * 0.1)
    expected = merge_lora(layer.weight, lora_a, lora_b, scale=2.0)
    group = LoraGroup([LoraLinear(layer=layer, lora_a=lora_a, lora_b=lora_b, scale=2.0)])
    for dtype, limit in ((torch.float32, 1e-3), (torch.bfloat16, 4e-3), (torch.float16, 1e-3)):
        merged = group.merge(torch.empty(0, device="cuda", dtype=dtype))
        assert measure_error(merged, expected) < limit


ATTENTION_LENGTHS = pytest.mark.parametrize(
    "lengths", [LENGTHS, [300, 1, 700], [64, 64]], ids=["chats", "long", "whole tiles"]
)
FORMATS = pytest.mark.parametrize(
    ("dtype", "limit"), [(torch.bfloat16, 1e-2), (torch.float16, 2e-3)], ids=["bf16", "fp16"]
)


@FORMATS
@ATTENTION_LENGTHS
@pytest.mark.parametrize("kv_heads", [1, 2, 4])
def test_packed_attention_is_that_of_each_sample(
    dtype: torch.dtype, limit: float, lengths: list[int], kv_heads: int
) -> None:
    torch.manual_seed(len(lengths))
    cu_seqlens = torch.tensor([0, *np.cumsum(lengths)], dtype=torch.int32, device="cuda")
    position_ids = torch.cat([torch.arange(length) for length in lengths])[None].to("cuda")
    states = [torch.randn(1, heads, sum(lengths), 64, device="cuda", dtype=dtype) for heads in (4, kv_heads, kv_heads)]
    upstream = torch.randn(1, sum(lengths), 4, 64, device="cuda", dtype=dtype)
    samples = {"position_ids": position_ids, "cu_seq_lens_q": cu_seqlens, "max_length_q": max(lengths)}

    def attend(function: Callable[..., tuple[torch.Tensor, None]], dtype: torch.dtype) -> list[torch.Tensor]:
        inputs = [part.to(dtype).requires_grad_() for part in states]
        attended, _ = function(torch.nn.Identity(), *inputs, None, **samples)
        return [attended, *torch.autograd.grad(attended, inputs, upstream.to(dtype))]

    for result, exact in zip(attend(attend_packed, dtype), attend(attend_per_sample, torch.float32), strict=True):
        assert measure_error(result, exact) < limit


@FORMATS
@ATTENTION_LENGTHS
def test_the_attention_kernels_are_the_reference(dtype: torch.dtype, limit: float, lengths: list[int]) -> None:
    torch.manual_seed(len(lengths))
    position_ids = torch.cat([torch.arange(length) for length in lengths]).to("cuda")
    query, key, value, upstream = (
        torch.randn(sum(lengths), heads, 64, device="cuda", dtype=dtype) for heads in (4, 2, 2, 4)
    )
    expected = packed_attention(query, key, value, position_ids, scale=0.2)
    results = packed_attention_triton(query, key, value, position_ids, scale=0.2)
    inputs = upstream, query, key, value, position_ids
    gradients = packed_attention_backward_triton(*inputs, *results, scale=0.2, max_seqlen=max(lengths))
    exact = packed_attention_backward(*inputs, *expected, scale=0.2)
    for result, reference in zip((*results, *gradients), (*expected, *exact), strict=True):
        assert measure_error(result, reference) < limit


@pytest.mark.parametrize(("dtype", "limit"), [(torch.bfloat16, 8e-3), (torch.float16, 1e-3)], ids=["bf16", "fp16"])
@pytest.mark.parametrize("width", [64, 96, 4096])
def test_operations_on_a_gpu_are_the_references_on_a_cpu(width: int, dtype: torch.dtype, limit: float) -> None:
    torch.manual_seed(width)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape).to(dtype)

    tokens, heads, kv_heads = 37, 4, 2
    states, gradient, residual_grad, weight = draw(tokens, width), draw(tokens, width), draw(tokens, width), draw(width)
    angles = torch.rand(tokens, width // 2).repeat(1, 2)
    turns = angles.cos(), angles.sin()
    parts = [draw(tokens, count, width) for count in (heads, kv_heads, kv_heads)]
    adapters = draw(width, 4), draw(width, 4), draw(4, width)
    counts = {"heads": heads, "kv_heads": kv_heads}
    calls: list[tuple[Any, tuple[Any, ...], dict[str, Any]]] = [
        (rms_norm, (states, weight), {"eps": 1e-5}),
        (rms_norm_backward, (gradient, states, weight, residual_grad), {"eps": 1e-5}),
        (apply_rope, (draw(tokens, (heads + 2 * kv_heads) * width), *turns), counts),
        (apply_rope_backward, (*parts, *turns), {}),
        (swiglu, (draw(tokens, 2 * width),), {}),
        (swiglu_backward, (draw(tokens, 2 * width), gradient), {}),
        (swiglu_lora_backward, (draw(tokens, 2 * width), gradient, *adapters), {}),
        (cross_entropy_and_gradient, (draw(tokens, width), torch.arange(tokens) - 3, torch.tensor(0.1)), {}),
    ]
    for operation, inputs, options in calls:
        moved = [value.to("cuda") for value in inputs]
        results, expected = run_operation(operation, *moved, **options), operation(*inputs, **options)
        for result, exact in zip(*(x if isinstance(x, tuple) else (x,) for x in (results, expected)), strict=True):
            assert measure_error(result.cpu(), exact) < limit, operation.__name__


@pytest.mark.parametrize("single_pass", [True, False])
@pytest.mark.parametrize(("width", "rank"), [(64, 4), (96, 16), (14336, 16), (4096, 40)])
def test_low_rank_products_of_the_gates_are_those_of_the_reference(width: int, rank: int, single_pass: bool) -> None:
    torch.manual_seed(width)
    shapes = ((37, 2 * width), (37, width), (width, rank), (width, rank), (rank, width))
    inputs = [torch.randn(shape, dtype=torch.bfloat16) for shape in shapes]
    expected = swiglu_lora_backward(*(value.float() for value in inputs))
    results = swiglu_lora_backward_triton(*(value.to("cuda") for value in inputs), single_pass=single_pass)
    for result, exact in zip(results, expected, strict=True):
        assert measure_error(result.cpu(), exact) < 8e-3
