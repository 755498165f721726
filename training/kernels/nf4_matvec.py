"""NF4 weights times the states of a few tokens, with the adapter's share and the residual added in the same pass.

    y = f (W h) + lora_B t + r, W = value x scale of its block of 64

Generating a token reads every weight once, so nothing but reading them should take time. Here a weight is decoded in
registers, in the very arrangement that the matrix units read, and multiplied by up to 64 tokens at once; what comes
before it, `training.kernels.matvec_input`, gives the states as float16 in the order that packed bytes hold weights in.
A program's warps each take a stretch of the inputs and add up at the end, so that even a narrow layer keeps the whole
GPU reading.

Source: Dettmers et al., "QLoRA", 2023, section 3; the arrangement of operands as in PTX's `mma.m16n8k16`.
"""

# ruff: noqa: N803 - constants of a kernel are capitals, as Triton writes them

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from math import gcd

import numpy as np
import torch

from training.kernels.merge_lora import NF4, decode_nf4_word, list_nf4_bytes
from training.kernels.optional_triton import jit, tl, triton
from training.kernels.overlap import can_overlap, fetch_ahead, launch_options, let_next_begin, wait_for_last

BLOCK = 64
"""Weights that share a scale."""
MAX_TOKENS = 64
"""Tokens that one product takes; beyond, merged weights and a product of a library are quicker."""
LEAST_RANK = 16
"""Low-rank columns of `lora_b`: a multiple of it, as matrix units multiply no fewer."""
_WARPS, _STAGES = 4, 3  # of a program, each with a stretch of the inputs; loads in flight; the quickest on an H100
_TALL = 16_384  # rows of a matrix from which programs of more rows fill the GPU, too
LIFT = 64.0
"""Factor of float16 scales, with which those of small weights keep all their digits."""
_SCALE_BLOCK = 256  # scales that share a coarse scale


@dataclass(frozen=True, slots=True, kw_only=True)
class Nf4Matrix:
    """Weights of layers that read the same input, one below the other, in NF4 with double quantisation.

    Args:
        packed: Two weights a byte, the first in the upper half; shape (rows, columns / 2), uint8.
        scales: Of each block of 64 weights of a row; shape (rows, columns / 64); 8-bit, or float16 from `widen_scales`.
        levels: What the 8-bit scales stand for; shape (256,), float32.
        coarse: Scales of 256 scales each; shape (rows * columns / 64 / 256,), float32.
        offsets: Added to the scales of each layer; shape (layers,), float32.
        widths: Rows of each layer.
    """

    packed: torch.Tensor
    scales: torch.Tensor
    levels: torch.Tensor
    coarse: torch.Tensor
    offsets: torch.Tensor
    widths: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Return rows and columns."""
        return self.packed.shape[0], 2 * self.packed.shape[1]


def widen_scales(matrix: Nf4Matrix) -> Nf4Matrix:
    """Return the same weights with scales that are float16 numbers: 3 % more memory, an eighth less time.

    Args:
        matrix: The weights, with 8-bit scales.
    """
    return replace(matrix, scales=(_read_scales(matrix) * LIFT).half())


def dequantise_nf4(matrix: Nf4Matrix) -> torch.Tensor:
    """Return the weights, float32, shape (rows, columns): the reference of decoding.

    Args:
        matrix: The weights.
    """
    values = torch.tensor(NF4, device=matrix.packed.device)
    pairs = torch.stack((matrix.packed >> 4, matrix.packed & 15), dim=2).long()
    rows, columns = matrix.shape
    return (values[pairs].view(rows, columns // BLOCK, BLOCK) * _read_scales(matrix)[:, :, None]).view(rows, columns)


def _read_scales(matrix: Nf4Matrix) -> torch.Tensor:
    if matrix.scales.dtype is torch.float16:
        return matrix.scales.float() / LIFT
    widths = torch.tensor(matrix.widths, device=matrix.packed.device)
    scales = matrix.levels[matrix.scales.long()].view(-1, _SCALE_BLOCK) * matrix.coarse[:, None]
    return scales.view(matrix.scales.shape) + matrix.offsets.repeat_interleave(widths)[:, None]


def nf4_matvec(
    halves: torch.Tensor,
    factor: torch.Tensor,
    low_rank: torch.Tensor,
    matrix: Nf4Matrix,
    lora_b: torch.Tensor,
    residual: torch.Tensor | None = None,
    *,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Multiply by the weights and add the adapter's share: the reference.

    Args:
        halves: States over their factors, even numbers before odd ones; shape (tokens, 2, columns / 2), float16.
        factor: Of each token; shape (tokens,), float32.
        low_rank: Products of the states and each layer's lora_A, scaled; shape (tokens, layers * rank), float32.
        matrix: The weights.
        lora_b: lora_B of the layers, one below the other; shape (rows, rank).
        residual: Added; shape (tokens, rows); None adds nothing.
        dtype: Format of the result.

    Returns:
        Shape (tokens, rows).
    """
    states = halves.transpose(1, 2).reshape(len(halves), -1).float() * factor[:, None]
    out = states @ dequantise_nf4(matrix).t()
    shares = torch.split(low_rank.view(len(halves), len(matrix.widths), -1), 1, dim=1)
    layers = zip(shares, torch.split(lora_b, list(matrix.widths)), strict=True)
    parts = [share[:, 0] @ part.float().t() for share, part in layers]
    out = out + torch.cat(parts, dim=1)
    return (out if residual is None else out + residual.float()).to(dtype)


_WORDS = 2  # words of packed bytes that a piece of code decodes


def _write_decoder() -> str:
    """Return PTX that decodes 8 packed bytes and scales the numbers; the tables are operands, which spares moves."""
    tables = [f"${7 * _WORDS + 8 * number}" for number in range(8)]
    code = "{.reg .b32 pick, upper, mask, a, b, x, y;"
    for word in range(_WORDS):
        firsts = 2 * word, 2 * word + 1
        numbers = [f"${first + odd}" for first in firsts for odd in (0, 2 * _WORDS)]
        code += decode_nf4_word(f"${4 * _WORDS + word}", numbers, tables)
        for number, first in zip(numbers, (firsts[0], firsts[0], firsts[1], firsts[1]), strict=True):
            code += f"mul.rn.f16x2 {number}, {number}, ${5 * _WORDS + first};"
    return code + "}"


_DECODER = tl.constexpr(_write_decoder())
_OPERANDS = tl.constexpr(",".join(["=r"] * 8 + ["r"] * (6 + 64)))


@cache
def _make_tables(device: torch.device) -> torch.Tensor:
    """Return the tables once for each thread of a warp, as one value for all would be copied before each use."""
    row = np.array(list_nf4_bytes(), dtype=np.uint32).view(np.int32)
    return torch.from_numpy(np.tile(row, 32)).to(device)


@jit
def _nf4_matvec(  # type: ignore[no-untyped-def]  # Triton compiles it; annotations mean something else there
    out,
    packed,
    scales,
    levels,
    coarse,
    offsets,
    halves,
    factor,
    low_rank,
    lora_b,
    residual,
    tables,
    tokens,
    rows,
    second,
    third,
    COLUMNS: tl.constexpr,
    RANK: tl.constexpr,
    PARTS: tl.constexpr,
    RESIDUAL: tl.constexpr,
    NESTED: tl.constexpr,
    LIFT: tl.constexpr,
    TOKENS: tl.constexpr,
    ROWS: tl.constexpr,
    GROUPS: tl.constexpr,
    BLOCKS: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    LINES: tl.constexpr,
):
    if OVERLAP:
        let_next_begin()
        fetch_ahead(packed + tl.program_id(0).to(tl.int64) * (ROWS * COLUMNS // 2), ROWS * COLUMNS // 2, LINES)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    part = 0
    if PARTS > 1:  # no program holds rows of two layers
        part = (tl.program_id(0) * ROWS >= second).to(tl.int32)
    if PARTS > 2:
        part += (tl.program_id(0) * ROWS >= third).to(tl.int32)
    shift = tl.load(offsets + part)
    if OVERLAP:
        wait_for_last()
    blocks_of_row: tl.constexpr = COLUMNS // 64
    own: tl.constexpr = blocks_of_row // GROUPS
    group = tl.arange(0, GROUPS)
    token = tl.arange(0, TOKENS)
    there = token < tokens
    sums = tl.zeros((GROUPS, ROWS, TOKENS), tl.float32)
    lane = tl.inline_asm_elementwise("mov.u32 $0, %laneid; // $1", "=r,r", [rows], dtype=tl.int32, is_pure=True, pack=1)
    table = tables + lane * 8
    t0, t1, t2, t3 = tl.load(table), tl.load(table + 1), tl.load(table + 2), tl.load(table + 3)
    t4, t5, t6, t7 = tl.load(table + 4), tl.load(table + 5), tl.load(table + 6), tl.load(table + 7)
    for begin in tl.range(0, own, BLOCKS, num_stages=STAGES):
        block = group[:, None] * own + begin + tl.arange(0, BLOCKS)[None, :]
        which = row[None, :, None] * blocks_of_row + block[:, None, :]
        pair = tl.load(packed + which[:, :, :, None].to(tl.int64) * 32 + tl.arange(0, 32)[None, None, None, :])
        level = tl.load(scales + which)
        if NESTED:
            wide = tl.load(levels + level.to(tl.int32)) * tl.load(coarse + which // 256) + shift
            level = (wide * LIFT).to(tl.float16)
        level = tl.broadcast_to(level[:, :, :, None], (GROUPS, ROWS, BLOCKS, 32))
        even, odd = tl.inline_asm_elementwise(
            _DECODER,
            _OPERANDS,
            [pair, level, t0, t1, t2, t3, t4, t5, t6, t7],
            dtype=(tl.float16, tl.float16),
            is_pure=True,
            pack=8,
        )
        at = (group[:, None] * own + begin) * 32 + tl.arange(0, BLOCKS * 32)[None, :]
        states = halves + token[None, None, :] * COLUMNS + at[:, :, None]
        first = tl.load(states, mask=there[None, None, :], other=0.0)
        sums = tl.dot(tl.reshape(even, (GROUPS, ROWS, BLOCKS * 32)), first, sums)
        last = tl.load(states + COLUMNS // 2, mask=there[None, None, :], other=0.0)
        sums = tl.dot(tl.reshape(odd, (GROUPS, ROWS, BLOCKS * 32)), last, sums)
    total = tl.sum(sums, 0) * (tl.load(factor + token, mask=there, other=0.0) / LIFT)[None, :]

    rank = tl.arange(0, RANK)
    share = tl.load(lora_b + row[:, None] * RANK + rank[None, :])
    narrow_at = low_rank + token[None, :] * (PARTS * RANK) + part * RANK + rank[:, None]
    narrow = tl.load(narrow_at, mask=there[None, :], other=0.0)
    total = tl.dot(share, narrow.to(share.dtype), total)
    at = token[None, :] * rows + row[:, None]
    if RESIDUAL:
        total += tl.load(residual + at, mask=there[None, :], other=0.0).to(tl.float32)
    tl.store(out + at, total.to(out.dtype.element_ty), mask=there[None, :])


def nf4_matvec_triton(
    halves: torch.Tensor,
    factor: torch.Tensor,
    low_rank: torch.Tensor,
    matrix: Nf4Matrix,
    lora_b: torch.Tensor,
    residual: torch.Tensor | None = None,
    *,
    dtype: torch.dtype,
    tile: tuple[int, int, int, int] | None = None,
) -> torch.Tensor:
    """Do what `nf4_matvec` does, for a matrix that `can_multiply` takes; arguments and result as there.

    Args:
        halves: As there; contiguous, as all tensors must be.
        factor: As there.
        low_rank: As there; the rank is a multiple of LEAST_RANK and a power of two.
        matrix: As there.
        lora_b: As there, bfloat16 or float16.
        residual: As there.
        dtype: As there.
        tile: Rows, warps, blocks and loads in flight of a program; None takes that of `choose_tile`.
    """
    tokens, (rows, columns) = len(halves), matrix.shape
    padded = max(8, triton.next_power_of_2(tokens))
    tile_rows, warps, blocks, stages = tile or choose_tile(padded, rows)
    tile_rows = min(tile_rows, *(width & -width for width in matrix.widths))
    groups = gcd(warps, columns // BLOCK)
    own = columns // BLOCK // groups
    bounds = [sum(matrix.widths[:count]) for count in (1, 2)]
    out = torch.empty(tokens, rows, dtype=dtype, device=halves.device)
    overlap = can_overlap()
    _nf4_matvec[(rows // tile_rows,)](
        out,
        matrix.packed,
        matrix.scales,
        matrix.levels,
        matrix.coarse,
        matrix.offsets,
        halves,
        factor,
        low_rank,
        lora_b,
        out if residual is None else residual,
        _make_tables(out.device),
        tokens,
        rows,
        *bounds,
        COLUMNS=columns,
        RANK=lora_b.shape[1],
        PARTS=len(matrix.widths),
        RESIDUAL=residual is not None,
        NESTED=matrix.scales.dtype is torch.uint8,
        LIFT=LIFT,
        TOKENS=padded,
        ROWS=tile_rows,
        GROUPS=groups,
        BLOCKS=min(blocks, own & -own),
        STAGES=stages,
        OVERLAP=overlap,
        LINES=triton.next_power_of_2(tile_rows * columns // 256),
        num_warps=warps,
        **launch_options(overlap),
    )
    return out


def choose_tile(tokens: int, rows: int) -> tuple[int, int, int, int]:
    """Return rows, warps, blocks of a step and loads in flight of a program: about the quickest of a hundred.

    Args:
        tokens: Padded to a power of two.
        rows: Of the matrix.
    """
    wide = tokens > 16 or rows >= _TALL
    return 32 if wide else 16, _WARPS, 1 if tokens == MAX_TOKENS else 2, _STAGES


def can_multiply(columns: int, widths: tuple[int, ...]) -> bool:
    """Tell whether `nf4_matvec_triton` takes a matrix of this shape.

    Args:
        columns: Inputs.
        widths: Rows of each layer; the scales of each must be a whole number of coarse blocks.
    """
    whole = columns % BLOCK == 0 and len(widths) <= 3
    return whole and all(width % 16 == 0 and width * columns // BLOCK % _SCALE_BLOCK == 0 for width in widths)
