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
from math import gcd

import torch

from training.kernels.merge_lora import NF4, decode_nf4_word, list_nf4_bytes
from training.kernels.optional_triton import jit, tl, triton

BLOCK = 64
"""Weights that share a scale."""
MAX_TOKENS = 64
"""Tokens that one product takes; beyond, merged weights and a product of a library are quicker."""
LEAST_RANK = 16
"""Low-rank columns of `lora_b`: a multiple of it, as matrix units multiply no fewer."""
# By padded tokens, of matrices with fewer rows than _TALL and of others: rows of a program, its warps (each takes a
# stretch of the inputs), blocks of a step, loads in flight; the quickest on an H100.
TILES = {
    8: ((16, 4, 2, 3), (32, 4, 2, 3)),
    16: ((16, 4, 2, 3), (32, 4, 2, 3)),
    32: ((32, 4, 2, 3), (32, 4, 2, 3)),
    64: ((32, 4, 1, 3), (32, 4, 1, 3)),
}
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
_SPREAD = 0xFF00


def _write_decoder() -> str:
    """Return PTX that decodes 8 packed bytes and scales the numbers.

    Of the two words that `prmt` picks from, one is a constant of the instruction. The other would be copied to a
    register before each use, if it were not made to look different for each thread.
    """
    tables = [f"0x{word:08x}" for word in list_nf4_bytes()]
    code = "{.reg .b32 pick, upper, mask, a, b, x, y, none, t0, t2, t4, t6, spread;"
    code += "mov.u32 none, %laneid; mov.u32 a, %ctaid.z; and.b32 none, none, a;"  # 0, which the compiler can't know
    code += f"add.u32 spread, none, {_SPREAD};"
    for number in range(0, 8, 2):
        code += f"add.u32 t{number}, none, {tables[number]};"
        tables[number] = f"t{number}"
    for word in range(_WORDS):
        firsts = 2 * word, 2 * word + 1
        results = [f"${first + odd}" for first in firsts for odd in (0, 2 * _WORDS)]
        code += decode_nf4_word(f"${4 * _WORDS + word}", results, tables, "spread")
        for result, first in zip(results, (firsts[0], firsts[0], firsts[1], firsts[1]), strict=True):
            code += f"mul.rn.f16x2 {result}, {result}, ${5 * _WORDS + first};"
    return code + "}"


_DECODER = tl.constexpr(_write_decoder())
_OPERANDS = tl.constexpr(",".join(["=r"] * 8 + ["r"] * 6))


@jit
def _load_scales(  # type: ignore[no-untyped-def]  # Triton compiles it
    scales, levels, coarse, shift, which, inside, NESTED: tl.constexpr, LIFT: tl.constexpr
):
    level = tl.load(scales + which, mask=inside, other=0)
    if NESTED:
        wide = tl.load(levels + level.to(tl.int32)) * tl.load(coarse + which // 256, mask=inside, other=0.0) + shift
        level = (wide * LIFT).to(tl.float16)
    return level


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
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    part = 0
    if PARTS > 1:  # no program holds rows of two layers
        part = (tl.program_id(0) * ROWS >= second).to(tl.int32)
    if PARTS > 2:
        part += (tl.program_id(0) * ROWS >= third).to(tl.int32)
    shift = tl.load(offsets + part)
    blocks_of_row: tl.constexpr = COLUMNS // 64
    own: tl.constexpr = blocks_of_row // GROUPS
    group = tl.arange(0, GROUPS)
    token = tl.arange(0, TOKENS)
    there = token < tokens
    sums = tl.zeros((GROUPS, ROWS, TOKENS), tl.float32)
    # Scales are too narrow to be copied ahead to shared memory, so each step loads those of the next but one.
    block = group[:, None] * own + tl.arange(0, BLOCKS)[None, :]
    which = row[None, :, None] * blocks_of_row + block[:, None, :]
    now = _load_scales(scales, levels, coarse, shift, which, own > 0, NESTED=NESTED, LIFT=LIFT)
    following = _load_scales(scales, levels, coarse, shift, which + BLOCKS, own > BLOCKS, NESTED=NESTED, LIFT=LIFT)
    queue = tl.join(now, following)
    for begin in tl.range(0, own, BLOCKS, num_stages=STAGES):
        block = group[:, None] * own + begin + tl.arange(0, BLOCKS)[None, :]
        which = row[None, :, None] * blocks_of_row + block[:, None, :]
        pair = tl.load(packed + which[:, :, :, None].to(tl.int64) * 32 + tl.arange(0, 32)[None, None, None, :])
        now, following = tl.split(queue)
        later = _load_scales(
            scales, levels, coarse, shift, which + 2 * BLOCKS, begin + 2 * BLOCKS < own, NESTED=NESTED, LIFT=LIFT
        )
        queue = tl.join(following, later)
        level = tl.broadcast_to(now[:, :, :, None], (GROUPS, ROWS, BLOCKS, 32))
        even, odd = tl.inline_asm_elementwise(
            _DECODER, _OPERANDS, [pair, level], dtype=(tl.float16, tl.float16), is_pure=True, pack=8
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
        num_warps=warps,
    )
    return out


def choose_tile(tokens: int, rows: int) -> tuple[int, int, int, int]:
    """Return rows, warps, blocks of a step and loads in flight of a program.

    Args:
        tokens: Padded to a power of two.
        rows: Of the matrix.
    """
    return TILES[tokens][rows >= _TALL]


def can_multiply(columns: int, widths: tuple[int, ...]) -> bool:
    """Tell whether `nf4_matvec_triton` takes a matrix of this shape.

    Args:
        columns: Inputs.
        widths: Rows of each layer; the scales of each must be a whole number of coarse blocks.
    """
    whole = columns % BLOCK == 0 and len(widths) <= 3
    return whole and all(width % 16 == 0 and width * columns // BLOCK % _SCALE_BLOCK == 0 for width in widths)
