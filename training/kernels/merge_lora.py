"""Merging a LoRA adapter into weights, which are dequantised on the way where they are in 4 bit.

    W' = dequantise(W) + scale lora_B lora_A

With NF4 a weight is one of 16 numbers times the scale of its block; with double quantisation the scales are 8-bit
numbers times a scale of their own, plus an offset. The product is added while weights are dequantised: with 14,336 x
4,096 weights on an H200 that takes as long as dequantising alone, and 2.3 times as fast as a product after it.

Source: Dettmers et al., "QLoRA", 2023, section 3; Hu et al., "LoRA", 2021, section 4.1.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from training.kernels.optional_triton import jit, tl, triton
from training.model.device import can_run_kernels

_ROWS, _BLOCKS, _WARPS = 128, 1, 4  # a program's share of the weights; the quickest of ten on an H200
_LEAST_RANK = 16  # a matrix unit multiplies no fewer
_LARGEST_RANK = 128  # beyond that its tiles do not fit

# Source: Dettmers et al., "QLoRA", 2023, appendix E.
NF4 = (
    *(-1.0, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635),
    *(-0.18477343022823334, -0.09105003625154495, 0.0, 0.07958029955625534, 0.16093020141124725),
    *(0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1.0),
)


@torch.no_grad()
def merge_lora(weight: torch.Tensor, lora_a: torch.Tensor, lora_b: torch.Tensor, *, scale: float) -> torch.Tensor:
    """Return the merged weights: the reference.

    Args:
        weight: Shape (outputs, inputs), or bitsandbytes's packed form with its `quant_state`.
        lora_a: Shape (rank, inputs).
        lora_b: Shape (outputs, rank).
        scale: Of the product of the two.

    Returns:
        Shape (outputs, inputs), float32.
    """
    state = getattr(weight, "quant_state", None)
    if state is not None:
        from bitsandbytes.functional import dequantize_4bit

        weight = dequantize_4bit(weight.data, state)
    return torch.addmm(weight.float(), lora_b.float(), lora_a.float(), alpha=scale)


def can_merge_triton(weight: torch.Tensor, *, rank: int) -> bool:
    """Tell whether `merge_lora_triton` takes these weights: NF4 on a GPU, in whole blocks, and no large rank.

    Args:
        weight: As for `merge_lora`.
        rank: Of the adapter.
    """
    state: Any = getattr(weight, "quant_state", None)
    return (
        state is not None
        and weight.is_cuda
        and can_run_kernels()
        and state.quant_type == "nf4"
        and state.blocksize >= 32
        and state.shape[1] % state.blocksize == 0
        and rank <= _LARGEST_RANK
        and (not state.nested or state.state2.blocksize == 256)
    )


def list_nf4_bytes() -> list[int]:
    """Return the 16 values of NF4 as float16 numbers in 8 words: 4 of their lower bytes, then 4 of their upper ones."""
    halves = np.array(NF4, dtype=np.float16).view(np.uint16)
    planes = (halves & 255).astype(np.uint8), (halves >> 8).astype(np.uint8)
    return [int.from_bytes(plane[at : at + 4].tobytes(), "little") for plane in planes for at in (0, 4, 8, 12)]


def decode_nf4_word(packed: str, numbers: Sequence[str], tables: Sequence[str], spread: str = "0x0000ff00") -> str:
    """Return PTX that turns 4 packed bytes into 8 float16 numbers.

    A table in memory costs a load for each weight. Here it lies in constants or registers: `prmt` picks bytes out of
    two words by 4-bit selectors, which is just what packed weights are, for the lower and the upper byte of each
    number. It uses the registers pick, upper, mask, a, b, x and y.

    Args:
        packed: Operand of the 4 bytes.
        numbers: Operands of the results, each two numbers: the upper halves of the first two bytes, their lower halves,
            and the same of the last two bytes.
        tables: The words of `list_nf4_bytes`, as constants or operands.
        spread: The constant 0xff00, or an operand that holds it.
    """
    code = f"""
        and.b32 pick, {packed}, 0x77777777;
        shr.u32 upper, {packed}, 3;
        and.b32 upper, upper, 0x11111111;"""
    for half in (0, 2):
        code += "shr.u32 pick, pick, 16; shr.u32 upper, upper, 16;" if half else ""
        code += f"""
            prmt.b32 mask, {spread}, 0, upper;
            prmt.b32 a, {tables[0]}, {tables[1]}, pick;
            prmt.b32 b, {tables[2]}, {tables[3]}, pick;
            lop3.b32 x, b, a, mask, 0xe4;
            prmt.b32 a, {tables[4]}, {tables[5]}, pick;
            prmt.b32 b, {tables[6]}, {tables[7]}, pick;
            lop3.b32 y, b, a, mask, 0xe4;
            prmt.b32 {numbers[half]}, x, y, 0x7351;
            prmt.b32 {numbers[half + 1]}, x, y, 0x6240;"""
    return code


def _write_decoder() -> str:
    tables = [f"0x{word:08x}" for word in list_nf4_bytes()]
    return "{.reg .b32 pick, upper, mask, a, b, x, y;" + decode_nf4_word("$4", ("$0", "$2", "$1", "$3"), tables) + "}"


_DECODER = tl.constexpr(_write_decoder())


@jit
def _merge_lora(  # type: ignore[no-untyped-def]  # Triton compiles it; annotations mean something else there
    out,
    packed,
    scales,
    levels,
    coarse,
    offset,
    lora_a,
    lora_b,
    scale,
    rows,
    columns,
    BYTES: tl.constexpr,
    NESTED: tl.constexpr,
    RANK: tl.constexpr,
    PADDED_RANK: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCKS: tl.constexpr,
):
    row = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    block = tl.program_id(0) * BLOCKS + tl.arange(0, BLOCKS)
    blocks_of_row = columns // (2 * BYTES)
    inside = (row < rows)[:, None] & (block < blocks_of_row)[None, :]
    which = row[:, None] * blocks_of_row + block[None, :]
    if NESTED:
        level = tl.load(levels + tl.load(scales + which, mask=inside, other=0).to(tl.int32))
        level = level * tl.load(coarse + which // 256, mask=inside, other=0.0) + tl.load(offset)
    else:
        level = tl.load(scales + which, mask=inside, other=0.0)
    byte = tl.arange(0, BYTES)
    at = packed + which[:, :, None].to(tl.int64) * BYTES + byte[None, None, :]
    pair = tl.load(at, mask=inside[:, :, None], other=0)
    even, odd = tl.inline_asm_elementwise(
        _DECODER, "=r,=r,=r,=r,r", [pair], dtype=(tl.float16, tl.float16), is_pure=True, pack=4
    )
    even = even.to(tl.float32) * level[:, :, None]
    odd = odd.to(tl.float32) * level[:, :, None]

    rank = tl.arange(0, PADDED_RANK)
    lora_b_at = lora_b + row[:, None] * RANK + rank[None, :]
    left = tl.load(lora_b_at, mask=(row < rows)[:, None] & (rank < RANK)[None, :], other=0.0).to(tl.float32) * scale
    column = tl.program_id(0) * BLOCKS * 2 * BYTES + 2 * tl.arange(0, BLOCKS * BYTES)
    there = (rank < RANK)[:, None] & (column < columns)[None, :]
    lora_a_at = lora_a + rank[:, None] * columns + column[None, :]
    even_a = tl.load(lora_a_at, mask=there, other=0.0).to(tl.float32)
    odd_a = tl.load(lora_a_at + 1, mask=there, other=0.0).to(tl.float32)
    even += tl.reshape(tl.dot(left, even_a, input_precision="tf32"), (ROWS, BLOCKS, BYTES))
    odd += tl.reshape(tl.dot(left, odd_a, input_precision="tf32"), (ROWS, BLOCKS, BYTES))

    merged = tl.reshape(tl.interleave(even, odd), (ROWS, BLOCKS * 2 * BYTES))
    column = tl.program_id(0) * BLOCKS * 2 * BYTES + tl.arange(0, BLOCKS * 2 * BYTES)
    out_at = out + row[:, None].to(tl.int64) * columns + column[None, :]
    tl.store(out_at, merged.to(out.dtype.element_ty), mask=(row < rows)[:, None] & (column < columns)[None, :])


def merge_lora_triton(
    out: torch.Tensor,
    weight: torch.Tensor,
    lora_a: torch.Tensor,
    lora_b: torch.Tensor,
    *,
    scale: float,
    tile: tuple[int, int, int] = (_ROWS, _BLOCKS, _WARPS),
) -> None:
    """Write what `merge_lora` returns, in the format of a tensor.

    The sum is made in float32 and rounded once. The 16 values of NF4 are float16 numbers here, and the product is made
    of TF32 factors: 1e-4 of the weights, a tenth of what bfloat16 rounds away.

    Args:
        out: Shape (outputs, inputs), contiguous; written.
        weight: Packed, such that `can_merge_triton` says yes: two weights a byte, the first in the upper half.
        lora_a: Shape (rank, inputs), contiguous.
        lora_b: Shape (outputs, rank), contiguous.
        scale: Of the product of the two.
        tile: Rows and blocks of a program, and its warps.
    """
    state: Any = weight.quant_state  # type: ignore[attr-defined]  # bitsandbytes's own class has it
    nested = state.nested
    rows, columns = out.shape
    rank = lora_a.shape[0]
    tile_rows, blocks, warps = tile
    grid = (triton.cdiv(columns, state.blocksize * blocks), triton.cdiv(rows, tile_rows))
    _merge_lora[grid](
        out,
        weight.data,
        state.absmax,
        state.state2.code if nested else state.absmax,
        state.state2.absmax if nested else state.absmax,
        state.offset if nested else state.absmax,
        lora_a,
        lora_b,
        scale,
        rows,
        columns,
        BYTES=state.blocksize // 2,
        NESTED=nested,
        RANK=rank,
        PADDED_RANK=max(_LEAST_RANK, triton.next_power_of_2(rank)),
        ROWS=tile_rows,
        BLOCKS=blocks,
        num_warps=warps,
    )
