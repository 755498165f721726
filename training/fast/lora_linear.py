"""Adapted linear layers as plain weights: unpacked and merged for one product, and dropped after it.

A QLoRA layer as peft runs it unpacks its weights, multiplies by them, and adds the adapter's share with four more
passes over its output and its gradient. Here the adapter's product is added to the weights while they are unpacked,
which costs next to nothing, and one product does for both. Layers that read the same input become one.

The sum of weight and adapter is rounded to the format to compute in, as each alone would be. Unpacked values lie
anywhere between two neighbours of that format, so an adapter's share smaller than their distance is not lost: it moves
its part of the weights to the next neighbour. The adapter's own gradient is exact up to the rounding of its factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from training.model.device import can_run_kernels

_LARGEST_RANK = 128  # of the kernel; beyond that its tiles do not fit


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapted:
    """A linear layer with an adapter.

    Args:
        layer: The layer below the adapter.
        first: The adapter's first matrix; shape (rank, inputs).
        second: Its second; shape (outputs, rank).
        scale: Of their product.
    """

    layer: Any
    first: torch.nn.Parameter
    second: torch.nn.Parameter
    scale: float

    @classmethod
    def read(cls, module: Any) -> Adapted | None:
        """Return what peft made of a layer; None where it does more than add a product of two matrices."""
        from peft.tuners.lora import LoraLayer

        if not isinstance(module, LoraLayer):
            return None
        module = cast("Any", module)
        names: list[str] = module.active_adapters
        layer = module.get_base_layer()
        plain = (
            len(names) == 1
            and names[0] in module.lora_A
            and isinstance(module.lora_dropout[names[0]], torch.nn.Identity)
            and not module.merged
            and not module.disable_adapters
            and not module.lora_variant
            and layer.bias is None
        )
        if not plain:
            return None
        name = names[0]
        first, second = module.lora_A[name], module.lora_B[name]
        if first.bias is not None or second.bias is not None:
            return None
        return cls(layer=layer, first=first.weight, second=second.weight, scale=float(module.scaling[name]))

    def merge_into(self, out: torch.Tensor) -> None:
        """Write the merged weights; shape (outputs, inputs)."""
        weight = self.layer.weight
        state = getattr(weight, "quant_state", None)
        if state is not None and weight.is_cuda and _is_readable(state, rank=self.first.shape[0]):
            from training.kernels.merge_lora import merge_4bit

            merge_4bit(
                out, weight.data, state, first=self.first.detach(), second=self.second.detach(), scale=self.scale
            )
        else:
            out.copy_(self.merge_plainly())

    @torch.no_grad()
    def merge_plainly(self) -> torch.Tensor:
        """Return the merged weights in float32, without a kernel of ours: the reference."""
        weight = self.layer.weight
        state = getattr(weight, "quant_state", None)
        if state is not None:
            from bitsandbytes.functional import dequantize_4bit

            weight = dequantize_4bit(weight.data, state)
        return torch.addmm(weight.float(), self.second.float(), self.first.float(), alpha=self.scale)


def _is_readable(state: Any, *, rank: int) -> bool:
    return (
        can_run_kernels()
        and state.quant_type == "nf4"
        and state.blocksize >= 32
        and state.shape[1] % state.blocksize == 0
        and rank <= _LARGEST_RANK
        and (not state.nested or state.state2.blocksize == 256)
    )


class Group:
    """Adapted layers that read the same input, as one.

    Args:
        layers: In the order of their outputs; of one rank and scale.

    Attributes:
        keep: Merged weights wait for `take`.
    """

    def __init__(self, layers: Sequence[Adapted]) -> None:
        self.layers = list(layers)
        self.parameters = [matrix for one in layers for matrix in (one.first, one.second)]
        self._widths = [one.second.shape[0] for one in layers]
        self._ranks = [one.first.shape[0] for one in layers]
        self._inputs = self.layers[0].first.shape[1]
        self.keep = False
        self._kept: torch.Tensor | None = None

    @torch.no_grad()
    def merge(self, like: torch.Tensor) -> torch.Tensor:
        """Return the merged weights, in the format and on the device of a tensor; shape (outputs, inputs)."""
        out = self._merge(like)
        self._kept = out if self.keep else None
        return out

    def take(self, like: torch.Tensor) -> torch.Tensor:
        """Return the weights that the last `merge` kept, once, or merge them."""
        found, self._kept = self._kept, None
        return self._merge(like) if found is None else found

    @torch.no_grad()
    def _merge(self, like: torch.Tensor) -> torch.Tensor:
        out = torch.empty(sum(self._widths), self._inputs, dtype=like.dtype, device=like.device)
        for one, part in zip(self.layers, torch.split(out, self._widths), strict=True):
            one.merge_into(part)
        return out

    @torch.no_grad()
    def scale_firsts(self, like: torch.Tensor) -> torch.Tensor:
        """Return the scaled first matrices in the format of a tensor; shape (sum of ranks, inputs)."""
        return self._join([one.first for one in self.layers], like)

    @torch.no_grad()
    def scale_seconds(self, like: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return the scaled second matrices in the format of a tensor; shapes (outputs, rank)."""
        return torch.split(self._join([one.second for one in self.layers], like), self._widths)

    @torch.no_grad()
    def differentiate(
        self,
        inputs: torch.Tensor,
        gradient: torch.Tensor,
        *,
        narrowed: torch.Tensor | None = None,
        narrow_back: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Return the gradients of `parameters`, in that order.

        Args:
            inputs: What the layers read; shape (tokens, inputs).
            gradient: Of what they put out; shape (tokens, outputs).
            narrowed: The inputs times `scale_firsts`, where that is known; shape (tokens, sum of ranks).
            narrow_back: The gradient times `scale_seconds`, each its part, where that is known; the same shape.
        """
        parts = torch.split(gradient, self._widths, dim=1)
        if narrowed is None:
            narrowed = inputs @ self.scale_firsts(inputs).t()
        if narrow_back is None:
            back = [part @ second for part, second in zip(parts, self.scale_seconds(inputs), strict=True)]
            narrow_back = torch.cat(back, dim=1) if len(back) > 1 else back[0]
        first = _multiply(narrow_back.t(), inputs)
        narrows = torch.split(narrowed, self._ranks, dim=1)
        found = []
        for wide, part, narrow in zip(torch.split(first, self._ranks), parts, narrows, strict=True):
            found += [wide, _multiply(part.t(), narrow)]
        return found

    def _join(self, matrices: list[torch.nn.Parameter], like: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([m.detach() for m in matrices]) if len(matrices) > 1 else matrices[0].detach()
        return torch.mul(joined, self.layers[0].scale, out=torch.empty_like(joined, dtype=like.dtype))


def _multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return a product in float32, as the adapter's gradients are kept."""
    if left.is_cuda and left.dtype is not torch.float32:
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()
