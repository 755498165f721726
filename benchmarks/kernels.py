"""Measure each Triton kernel against what it replaces: torch.compile, bitsandbytes, FlashAttention inside torch.

    python benchmarks/kernels.py                      # on a GPU of compute capability 8 or up
    python benchmarks/kernels.py --json found.json    # every figure, and every tile that was tried

Shapes are those of Mistral-7B and an update of 8,192 tokens of short chats; numbers are random and bfloat16. Times are
medians with the cache emptied before each run. The floor is what reading each input once and writing each output once
takes at the bandwidth of a large copy, measured first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

TOKENS, HIDDEN, INNER, HEADS, KV_HEADS, WIDTH, RANK = 8192, 4096, 14336, 32, 8, 128, 16
# Tiles of `swiglu_lora_backward_triton`: tokens, columns, parts, warps, loads in flight.
LORA_TILES = [(32, 64, 8, 4, 3), (32, 64, 8, 4, 2), (32, 32, 8, 4, 3), (32, 64, 4, 4, 2), (64, 16, 8, 4, 3)]
LORA_TILES += [(64, 32, 8, 4, 3), (64, 32, 8, 8, 3), (64, 64, 8, 8, 2)]
WARM, RUNS = 5, 50
Call = Callable[[], Any]


def draw(*shape: int) -> torch.Tensor:
    """Return random numbers."""
    return torch.randn(shape, device="cuda", dtype=torch.bfloat16)


def count_bytes(*values: Any) -> int:
    """Return the size of all tensors in some values."""
    flat = [part for value in values for part in (value if isinstance(value, tuple | list) else (value,))]
    return sum(part.numel() * part.element_size() for part in flat if isinstance(part, torch.Tensor))


def make_event() -> torch.cuda.Event:
    """Return an event that takes the time."""
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]  # torch leaves it unannotated


def time_call(call: Call, prepare: Call = lambda: None) -> float:
    """Return the median of some runs, microseconds.

    Args:
        call: What is timed.
        prepare: Runs before each of them, untimed.
    """
    # Larger than the cache, and long enough to write that Python has started the call before the GPU gets to it.
    spoiler = torch.empty(1 << 30, dtype=torch.uint8, device="cuda")
    for _ in range(WARM):
        prepare()
        call()
    events = []
    for _ in range(RUNS):
        prepare()
        spoiler.zero_()
        began, ended = (make_event() for _ in range(2))
        began.record()
        call()
        ended.record()
        events.append((began, ended))
    torch.cuda.synchronize()
    return 1000 * statistics.median(float(began.elapsed_time(ended)) for began, ended in events)


def measure_copy() -> float:
    """Return bytes a microsecond of a large copy, read and written ones counted."""
    source = torch.randn(1 << 29, device="cuda")
    target = torch.empty_like(source)
    return 2 * count_bytes(source) / time_call(lambda: target.copy_(source))


class Table:
    """Collects rows and prints them."""

    def __init__(self, bandwidth: float) -> None:
        self.bandwidth, self.rows = bandwidth, list[dict[str, Any]]()

    def add(self, name: str, ours: Call, other: Call, what: str, moved: int, *, prepare: Call = lambda: None) -> None:
        """Time two calls that do the same."""
        times = [time_call(call, prepare) for call in (ours, other)]
        floor = moved / self.bandwidth
        self.rows.append({"name": name, "ours_us": times[0], "other_us": times[1], "what": what, "floor_us": floor})
        print(
            f"| {name} | {times[0]:,.0f} | {what} | {times[1]:,.0f} | {times[1] / times[0]:.2f} | {floor:,.0f} |",
            flush=True,
        )


def measure_attention(table: Table) -> None:
    """Compare the kernels of packed attention with torch's of variable length."""
    from training.fast.attention import attend_packed, attend_varlen

    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(60.0), 0.6, 400).astype(int), 8, 256)
    lengths = lengths[np.cumsum(lengths) < TOKENS]
    lengths = np.append(lengths, TOKENS - lengths.sum())
    cu_seqlens = torch.tensor(np.append(0, np.cumsum(lengths)), dtype=torch.int32, device="cuda")
    position_ids = torch.cat([torch.arange(n) for n in lengths.tolist()])[None].cuda()
    samples = {"position_ids": position_ids, "cu_seq_lens_q": cu_seqlens, "max_length_q": int(lengths.max())}
    states = [draw(TOKENS, count, WIDTH).transpose(0, 1)[None] for count in (HEADS, KV_HEADS, KV_HEADS)]
    gradient = draw(1, TOKENS, HEADS, WIDTH)
    inputs = [part.detach().requires_grad_() for part in states]

    def forward(attend: Any) -> Any:
        return attend(torch.nn.Identity(), *inputs, None, **samples, scaling=WIDTH**-0.5)[0]

    def backward(attend: Any) -> Call:
        attended = forward(attend)
        return lambda: torch.autograd.grad(attended, inputs, gradient, retain_graph=True)

    moved = count_bytes(*states, gradient)
    with torch.no_grad():
        table.add("attention", lambda: forward(attend_packed), lambda: forward(attend_varlen), "varlen_attn", moved)
    table.add(
        "attention, backward",
        backward(attend_packed),
        backward(attend_varlen),
        "varlen_attn",
        2 * moved + count_bytes(gradient),
    )


def measure_merging(table: Table) -> None:
    """Compare merging while dequantising with dequantising and a product after it."""
    import bitsandbytes

    from training.kernels.merge_lora import merge_lora_triton

    layer = bitsandbytes.nn.Linear4bit(HIDDEN, INNER, bias=False, quant_type="nf4", compress_statistics=True)
    layer.weight.data = torch.randn(INNER, HIDDEN).bfloat16() * 0.02
    weight = layer.to("cuda").weight
    lora_a, lora_b = torch.randn(RANK, HIDDEN, device="cuda"), torch.randn(INNER, RANK, device="cuda")
    out, left, right = draw(INNER, HIDDEN), lora_b.bfloat16(), lora_a.bfloat16()

    def merge() -> None:
        merge_lora_triton(out, weight, lora_a, lora_b, scale=2.0)

    def dequantise() -> torch.Tensor:
        numbers: torch.Tensor = bitsandbytes.functional.dequantize_4bit(weight.data, weight.quant_state)
        return numbers

    moved = count_bytes(out, weight.data)
    table.add("merge_lora", merge, lambda: dequantise().addmm_(left, right), "bitsandbytes, addmm", moved)
    table.add("merge_lora", merge, dequantise, "bitsandbytes without an adapter", moved)


def measure_operations(table: Table) -> None:
    """Compare element-wise kernels with what torch.compile makes of their references."""
    from training.fast.dispatch import choose_implementation, run_compiled
    from training.kernels.rms_norm import rms_norm, rms_norm_backward
    from training.kernels.rope import apply_rope, apply_rope_backward

    states, gradient, residual_grad = (draw(TOKENS, HIDDEN) for _ in range(3))
    weight = draw(HIDDEN)
    turns = draw(TOKENS, WIDTH), draw(TOKENS, WIDTH)
    heads = [draw(TOKENS, count, WIDTH) for count in (HEADS, KV_HEADS, KV_HEADS)]
    qkv = draw(TOKENS, (HEADS + 2 * KV_HEADS) * WIDTH)
    calls: list[tuple[Callable[..., Any], Sequence[Any], dict[str, Any]]] = [
        (rms_norm, (states, weight), {"eps": 1e-5}),
        (rms_norm_backward, (gradient, states, weight, residual_grad), {"eps": 1e-5}),
        (apply_rope, (qkv, *turns), {"heads": HEADS, "kv_heads": KV_HEADS}),
        (apply_rope_backward, (*heads, *turns), {}),
    ]
    for operation, inputs, options in calls:
        kernel = choose_implementation(operation, cuda=True, kernels=True)
        moved = count_bytes(*inputs, kernel(*inputs, **options))
        ours = partial(kernel, *inputs, **options)
        compiled = partial(run_compiled, operation, *inputs, **options)
        table.add(operation.__name__, ours, compiled, "torch.compile", moved)


class Gates:
    """What the backward pass of the gates reads, and writes over."""

    def __init__(self) -> None:
        self._fresh = draw(TOKENS, 2 * INNER), draw(TOKENS, INNER)
        self.inputs = [part.clone() for part in self._fresh]

    def restore(self) -> None:
        """Put the numbers back."""
        for part, fresh in zip(self.inputs, self._fresh, strict=True):
            part.copy_(fresh)


def measure_gates(table: Table) -> list[dict[str, Any]]:
    """Compare the gates' backward pass with a compiled one, and with separate low-rank products; try some tiles."""
    from training.fast.dispatch import run_compiled
    from training.kernels import swiglu

    gates, adapters = Gates(), (draw(INNER, RANK), draw(INNER, RANK), draw(RANK, INNER))
    inputs = gates.inputs
    moved = 2 * count_bytes(*inputs)

    def run(*, single_pass: bool = True) -> Any:
        return swiglu.swiglu_lora_backward_triton(inputs[0], inputs[1], *adapters, single_pass=single_pass)

    chosen, times = swiglu.LORA_TILE, []
    for tile in LORA_TILES:
        swiglu.LORA_TILE = tile
        try:
            times.append({"tile": tile, "us": time_call(run, gates.restore)})
        except Exception as exc:  # a tile may take more registers or shared memory than there are
            print(f"swiglu_lora_backward {tile}: {type(exc).__name__}", flush=True)
    swiglu.LORA_TILE = chosen
    for one in times:
        print(f"swiglu_lora_backward {one['tile']}: {one['us']:,.0f} us", flush=True)
    separate = partial(run, single_pass=False)
    name = "swiglu_lora_backward"
    table.add(name, run, separate, "swiglu_backward, three products", moved, prepare=gates.restore)
    table.add(
        "swiglu_backward",
        lambda: swiglu.swiglu_backward_triton(*inputs),
        lambda: run_compiled(swiglu.swiglu_backward, *inputs),
        "torch.compile",
        moved,
        prepare=gates.restore,
    )
    return times


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="write all figures here")
    args = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("No CUDA device was found: these kernels run on a GPU only.")
    table = Table(measure_copy())
    print(f"{torch.cuda.get_device_name()}, copies at {table.bandwidth / 1e6:.2f} TB/s\n")
    print("| kernel | us | against | us | times as fast | floor us |\n|---|---|---|---|---|---|")
    tiles = measure_gates(table)
    measure_attention(table)
    measure_merging(table)
    measure_operations(table)
    if args.json:
        args.json.write_text(json.dumps({"tiles": tiles, "rows": table.rows}, indent=1))


if __name__ == "__main__":
    main()
