"""Linear layers with a LoRA adapter as plain weights: dequantised and merged for one product, and dropped after it.

A QLoRA layer as peft runs it dequantises its weights, multiplies by them, and adds the adapter's share with four more
passes over its output and its gradient. Here the adapter's product is added to the weights while they are dequantised,
which costs next to nothing, and one product does for both. Layers that read the same input become one.

The sum of weight and adapter is rounded to the format to compute in, as each alone would be. Dequantised values lie
anywhere between two neighbours of that format, so an adapter's share smaller than their distance is not lost: it moves
its part of the weights to the next neighbour. The adapter's own gradient is exact up to the rounding of its factors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from training.kernels.merge_lora import can_merge_triton, merge_lora, merge_lora_triton


@dataclass(frozen=True, slots=True, kw_only=True)
class LoraLinear:
    """A linear layer with an adapter.

    Args:
        layer: The layer below the adapter.
        lora_a: peft's lora_A; shape (rank, inputs).
        lora_b: peft's lora_B; shape (outputs, rank).
        scale: Of their product.
    """

    layer: Any
    lora_a: torch.nn.Parameter
    lora_b: torch.nn.Parameter
    scale: float

    @classmethod
    def read(cls, module: Any) -> LoraLinear | None:
        """Return what peft made of a layer; None where it does more than add a product of two matrices.

        Args:
            module: Any layer of a model.
        """
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
        lora_a, lora_b = module.lora_A[name], module.lora_B[name]
        if lora_a.bias is not None or lora_b.bias is not None:
            return None
        return cls(layer=layer, lora_a=lora_a.weight, lora_b=lora_b.weight, scale=float(module.scaling[name]))

    def merge_into(self, out: torch.Tensor) -> None:
        """Write the merged weights, by a kernel where it takes them.

        Args:
            out: Shape (outputs, inputs), contiguous, in the format to compute in; written.
        """
        weight, lora_a, lora_b = self.layer.weight, self.lora_a.detach(), self.lora_b.detach()
        if can_merge_triton(weight, rank=lora_a.shape[0]):
            merge_lora_triton(out, weight, lora_a, lora_b, scale=self.scale)
        else:
            out.copy_(merge_lora(weight, lora_a, lora_b, scale=self.scale))


class LoraGroup:
    """Linear layers with adapters that read the same input, as one.

    Args:
        layers: In the order of their outputs; of one rank and scale.

    Attributes:
        parameters: lora_A and lora_B of each layer, in order.
        keep_merged: Merged weights wait for `take_merged`.
    """

    def __init__(self, layers: Sequence[LoraLinear]) -> None:
        self.layers = list(layers)
        self.parameters = [matrix for one in layers for matrix in (one.lora_a, one.lora_b)]
        self._widths = [one.lora_b.shape[0] for one in layers]
        self._ranks = [one.lora_a.shape[0] for one in layers]
        self._inputs = self.layers[0].lora_a.shape[1]
        self.keep_merged = False
        self._merged: torch.Tensor | None = None

    @torch.no_grad()
    def merge(self, like: torch.Tensor) -> torch.Tensor:
        """Return the merged weights.

        Args:
            like: Says in which format and on which device.

        Returns:
            Shape (sum of outputs, inputs).
        """
        merged = self._merge(like)
        self._merged = merged if self.keep_merged else None
        return merged

    def take_merged(self, like: torch.Tensor) -> torch.Tensor:
        """Return the weights that the last `merge` kept, once, or merge them.

        Args:
            like: As for `merge`.

        Returns:
            Shape (sum of outputs, inputs).
        """
        merged, self._merged = self._merged, None
        return self._merge(like) if merged is None else merged

    @torch.no_grad()
    def _merge(self, like: torch.Tensor) -> torch.Tensor:
        out = torch.empty(sum(self._widths), self._inputs, dtype=like.dtype, device=like.device)
        for one, part in zip(self.layers, torch.split(out, self._widths), strict=True):
            one.merge_into(part)
        return out

    @torch.no_grad()
    def scale_lora_a(self, like: torch.Tensor) -> torch.Tensor:
        """Return the scaled lora_A matrices, one below the other.

        Args:
            like: Says in which format.

        Returns:
            Shape (sum of ranks, inputs).
        """
        return self._join([one.lora_a for one in self.layers], like)

    @torch.no_grad()
    def scale_lora_b(self, like: torch.Tensor) -> Sequence[torch.Tensor]:
        """Return the scaled lora_B matrices.

        Args:
            like: Says in which format.

        Returns:
            One a layer, of shape (outputs, rank).
        """
        return torch.split(self._join([one.lora_b for one in self.layers], like), self._widths)

    @torch.no_grad()
    def differentiate(
        self,
        inputs: torch.Tensor,
        gradient: torch.Tensor,
        *,
        inputs_lora_a: torch.Tensor | None = None,
        gradient_lora_b: torch.Tensor | None = None,
    ) -> list[torch.Tensor]:
        """Return the gradients of `parameters`, in that order, in float32.

        Args:
            inputs: What the layers read; shape (tokens, inputs).
            gradient: Of what they put out; shape (tokens, sum of outputs).
            inputs_lora_a: The inputs times `scale_lora_a`, where that is known; shape (tokens, sum of ranks).
            gradient_lora_b: The gradient times `scale_lora_b`, each its part, where that is known; the same shape.
        """
        parts = torch.split(gradient, self._widths, dim=1)
        if inputs_lora_a is None:
            inputs_lora_a = inputs @ self.scale_lora_a(inputs).t()
        if gradient_lora_b is None:
            products = [part @ lora_b for part, lora_b in zip(parts, self.scale_lora_b(inputs), strict=True)]
            gradient_lora_b = torch.cat(products, dim=1) if len(products) > 1 else products[0]
        lora_a_grads = torch.split(_multiply(gradient_lora_b.t(), inputs), self._ranks)
        low_rank = torch.split(inputs_lora_a, self._ranks, dim=1)
        gradients = []
        for lora_a_grad, part, product in zip(lora_a_grads, parts, low_rank, strict=True):
            gradients += [lora_a_grad, _multiply(part.t(), product)]
        return gradients

    def _join(self, matrices: list[torch.nn.Parameter], like: torch.Tensor) -> torch.Tensor:
        joined = torch.cat([m.detach() for m in matrices]) if len(matrices) > 1 else matrices[0].detach()
        return torch.mul(joined, self.layers[0].scale, out=torch.empty_like(joined, dtype=like.dtype))


def _multiply(left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Return a product in float32, as the adapter's gradients are kept."""
    if left.is_cuda and left.dtype is not torch.float32:
        return torch.mm(left, right, out_dtype=torch.float32)
    return (left @ right).float()
