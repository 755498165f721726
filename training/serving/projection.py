"""Linear layers that read the same input, as decoding runs them: joined, with the adapter beside the weights.

Weights in NF4 stay as they are; a few tokens are multiplied by them packed, many by weights that are decoded and merged
with the adapter for one product. Layers of any other kind run as they are. The adapter lies in buffers of fixed places,
so that another one can take its place without recording CUDA graphs anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Protocol

import torch

from training.fast.dispatch import run_operation
from training.kernels.matvec_input import matvec_input
from training.kernels.merge_lora import can_merge_triton, merge_lora_triton
from training.kernels.nf4_matvec import BLOCK, LEAST_RANK, MAX_TOKENS, Nf4Matrix, can_multiply, nf4_matvec, widen_scales
from training.kernels.rms_norm import rms_norm

_MERGED_BYTES = 32 << 20  # of weights that are merged at a time where memory is short
_ROW_GRAIN = 256  # rows: pieces begin where a coarse scale does


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraShare:
    """What peft adds to a linear layer.

    Args:
        lora_a: Shape (rank, inputs).
        lora_b: Shape (outputs, rank).
        scale: Of their product.
    """

    lora_a: torch.nn.Parameter
    lora_b: torch.nn.Parameter
    scale: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """What is done to states before a product.

    Args:
        kind: `plain`, `norm`, or `swiglu` for gate and up side by side.
        weight: Of the norm.
        eps: Of the norm.
    """

    kind: str = "plain"
    weight: torch.Tensor | None = None
    eps: float = 0.0

    def apply(self, states: torch.Tensor) -> torch.Tensor:
        """Return the prepared states, in their own format.

        Args:
            states: Shape (tokens, columns), or (tokens, 2 columns).
        """
        if self.kind == "norm":
            normed: torch.Tensor = run_operation(rms_norm, states, self.weight, eps=self.eps)
            return normed
        if self.kind == "swiglu":
            gate, up = states.chunk(2, dim=1)
            return torch.nn.functional.silu(gate) * up  # as transformers does: nothing to compile for a prompt
        return states


class LoraBuffers:
    """The adapter of several layers that read the same input, at fixed places.

    Args:
        widths: Outputs of each layer.
        columns: Inputs.
        rank: Largest rank that fits.
        like: Says in which format and on which device.

    Attributes:
        rank: The same.
        lora_a: lora_A of the layers, one below the other; shape (layers * rank, columns).
        lora_b: lora_B of the layers, one below the other; shape (sum of outputs, rank).
        scales: Of each row of `lora_a`, 0 where it stands for nothing; shape (layers * rank,), float32.
        layer_scales: Of each layer.
    """

    def __init__(self, widths: Sequence[int], columns: int, *, rank: int, like: torch.Tensor) -> None:
        self._widths, self.rank = list(widths), rank
        self.lora_a = torch.zeros(len(widths) * rank, columns, dtype=like.dtype, device=like.device)
        self.lora_b = torch.zeros(sum(widths), rank, dtype=like.dtype, device=like.device)
        self.scales = torch.zeros(len(widths) * rank, device=like.device)
        self.layer_scales = [0.0] * len(widths)

    def list_parts(self) -> list[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]:
        """Return lora_A, lora_B and the scales of each layer, as views."""
        sizes = (self.lora_a, self.rank), (self.lora_b, self._widths), (self.scales, self.rank)
        return list(zip(*(torch.split(whole, size) for whole, size in sizes), strict=True))

    @torch.no_grad()
    def write(self, shares: Sequence[LoraShare | None]) -> None:
        """Take an adapter over. The matrices of peft become views of the buffers, so that they take memory once.

        Args:
            shares: Of each layer; None where it has none.
        """
        self.layer_scales = [0.0 if share is None else share.scale for share in shares]
        for (lora_a, lora_b, scales), share in zip(self.list_parts(), shares, strict=True):
            given = None if share is None else (share.lora_a.clone(), share.lora_b.clone())  # it may lie here already
            for part in (lora_a, lora_b, scales):
                part.zero_()
            if share is None or given is None:
                continue
            rank = len(share.lora_a)
            (lora_a[:rank], lora_b[:, :rank]), scales[:rank] = given, share.scale
            if share.lora_a.dtype is lora_a.dtype:
                share.lora_a.data, share.lora_b.data = lora_a[:rank], lora_b[:, :rank]

    def add_to(self, out: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return a product with the adapter's share added.

        Args:
            out: Product of the layers; shape (tokens, sum of outputs).
            inputs: What they read; shape (tokens, columns).
        """
        low_rank = (inputs @ self.lora_a.t()) * self.scales.to(inputs.dtype)
        parts = zip(torch.split(low_rank, self.rank, dim=1), torch.split(self.lora_b, self._widths), strict=True)
        return out + torch.cat([narrow @ lora_b.t() for narrow, lora_b in parts], dim=1)


class Projection(Protocol):
    """Linear layers that read the same input."""

    lora: LoraBuffers

    def run(self, states: torch.Tensor, preparation: Preparation, residual: torch.Tensor | None = None) -> torch.Tensor:
        """Prepare the states, multiply, and add the adapter's share and the residual.

        Args:
            states: Shape (tokens, columns), or (tokens, 2 columns) where they are gated.
            preparation: What is done to them first.
            residual: Shape (tokens, sum of outputs); None adds nothing.

        Returns:
            Shape (tokens, sum of outputs).
        """
        ...


class PlainProjection:
    """Layers that run as they are, whatever their weights lie in.

    Args:
        layers: Linear layers of torch or bitsandbytes, without an adapter.
        rank: Largest rank of an adapter.
        like: Says in which format and on which device adapters are kept.
    """

    def __init__(self, layers: Sequence[Any], *, rank: int, like: torch.Tensor) -> None:
        self._layers = list(layers)
        widths = [layer.out_features for layer in layers]
        self.lora = LoraBuffers(widths, layers[0].in_features, rank=rank, like=like)

    def run(self, states: torch.Tensor, preparation: Preparation, residual: torch.Tensor | None = None) -> torch.Tensor:
        """Do what `Projection.run` says."""
        inputs = preparation.apply(states)
        out = self.lora.add_to(torch.cat([layer(inputs) for layer in self._layers], dim=1), inputs)
        return out if residual is None else out + residual


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """Rows of a layer, with their weights as `merge_lora_triton` takes them."""

    layer: int
    first: int
    rows: int
    weight: Any


class Nf4Projection:
    """Layers of bitsandbytes in NF4 with double quantisation, on a GPU.

    Args:
        layers: Such that `can_join` says yes. Their weights become views of the joined ones.
        rank: Largest rank of an adapter.
        like: Says in which format and on which device adapters are kept.
        roomy: Take memory for speed: scales as float16 numbers as well, and all layers merged at a time.
    """

    def __init__(self, layers: Sequence[Any], *, rank: int, like: torch.Tensor, roomy: bool) -> None:
        states = [layer.weight.quant_state for layer in layers]
        columns = layers[0].in_features
        self._columns = columns
        self._widths = tuple(layer.out_features for layer in layers)
        rank = max(LEAST_RANK, 1 << (rank - 1).bit_length())
        self.lora = LoraBuffers(self._widths, columns, rank=rank, like=like)
        self._joined = Nf4Matrix(
            packed=torch.cat([layer.weight.data.view(-1, columns // 2) for layer in layers]),
            scales=torch.cat([state.absmax.view(-1, columns // BLOCK) for state in states]),
            levels=states[0].state2.code,
            coarse=torch.cat([state.state2.absmax for state in states]),
            offsets=torch.stack([state.offset for state in states]),
            widths=self._widths,
        )
        parts = (torch.split(whole, list(self._widths)) for whole in (self._joined.packed, self._joined.scales))
        for layer, packed, scales in zip(layers, *parts, strict=True):
            layer.weight.data, layer.weight.quant_state.absmax = packed.view(-1, 1), scales.view(-1)
        self._pieces = self._cut(sum(self._widths) if roomy else _MERGED_BYTES // (2 * columns))
        self._matrix = widen_scales(self._joined) if roomy else self._joined

    def run(self, states: torch.Tensor, preparation: Preparation, residual: torch.Tensor | None = None) -> torch.Tensor:
        """Do what `Projection.run` says."""
        if len(states) > MAX_TOKENS:
            return self._run_merged(preparation.apply(states), residual)
        options = {"kind": preparation.kind, "weight": preparation.weight, "eps": preparation.eps}
        inputs = run_operation(matvec_input, states, self.lora.lora_a, self.lora.scales, **options)
        out: torch.Tensor = run_operation(
            nf4_matvec, *inputs, self._matrix, self.lora.lora_b, residual, dtype=states.dtype
        )
        return out

    def _run_merged(self, inputs: torch.Tensor, residual: torch.Tensor | None) -> torch.Tensor:
        out = inputs.new_empty(len(inputs), sum(self._widths))
        lora_a = torch.split(self.lora.lora_a, self.lora.rank)
        start = 0
        for group in self._pieces:
            merged = inputs.new_empty(sum(piece.rows for piece in group), self._columns)
            parts = torch.split(merged, [piece.rows for piece in group])
            for piece, part in zip(group, parts, strict=True):
                lora_b = self.lora.lora_b[piece.first : piece.first + piece.rows]
                scale = self.lora.layer_scales[piece.layer]
                merge_lora_triton(part, piece.weight, lora_a[piece.layer], lora_b, scale=scale)
            torch.mm(inputs, merged.t(), out=out[:, start : start + len(merged)])
            start += len(merged)
        return out if residual is None else out.add_(residual)

    def _cut(self, most: int) -> list[list[_Piece]]:
        """Return the rows of each layer in groups that are merged at a time.

        Args:
            most: Rows of a group, unless a piece has no fewer.
        """
        most = max(_ROW_GRAIN, most // _ROW_GRAIN * _ROW_GRAIN)
        groups: list[list[_Piece]] = [[]]
        start = 0
        for layer, width in enumerate(self._widths):
            for first in range(start, start + width, most):
                rows = min(most, start + width - first)
                if groups[-1] and sum(piece.rows for piece in groups[-1]) + rows > most:
                    groups.append([])
                weight = self._read_piece(layer, first, rows)
                groups[-1].append(_Piece(layer=layer, first=first, rows=rows, weight=weight))
            start += width
        return groups

    def _read_piece(self, layer: int, first: int, rows: int) -> Any:
        blocks = self._columns // BLOCK
        coarse = self._joined.coarse[first * blocks // 256 :]
        state = SimpleNamespace(
            nested=True,
            blocksize=BLOCK,
            absmax=self._joined.scales[first : first + rows],
            state2=SimpleNamespace(code=self._joined.levels, absmax=coarse),
            offset=self._joined.offsets[layer],
        )
        return SimpleNamespace(data=self._joined.packed[first : first + rows], quant_state=state)


def can_join(layers: Sequence[Any], *, rank: int) -> bool:
    """Tell whether `Nf4Projection` takes layers.

    Args:
        layers: Linear layers that read the same input.
        rank: Largest rank of an adapter.
    """
    states = [getattr(layer.weight, "quant_state", None) for layer in layers]
    if any(state is None or not state.nested or state.blocksize != BLOCK for state in states):
        return False
    widths = tuple(layer.out_features for layer in layers)
    mergeable = all(can_merge_triton(layer.weight, rank=rank) for layer in layers)
    return mergeable and can_multiply(layers[0].in_features, widths)


def make_projection(layers: Sequence[Any], *, rank: int, like: torch.Tensor, roomy: bool) -> Projection:
    """Return layers in the quickest form that runs here.

    Args:
        layers: Linear layers that read the same input.
        rank: Largest rank of an adapter.
        like: Says in which format and on which device adapters are kept.
        roomy: For `Nf4Projection`.
    """
    if can_join(layers, rank=rank):
        return Nf4Projection(layers, rank=rank, like=like, roomy=roomy)
    return PlainProjection(layers, rank=rank, like=like)
