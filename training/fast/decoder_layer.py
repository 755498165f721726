"""Decoder layers of the Llama family as two operations with a backward pass of their own.

transformers and peft run a layer as some hundred operations. Here it is: what comes before attention, from the hidden
states to queries, keys and values; attention as it is configured; and what comes after it. Weights are merged with the
adapter at each use (`training.fast.lora_linear`), the element-wise work between two products makes one pass over
memory (`training.kernels`), and the backward pass recomputes what is cheap, so little is kept. Packed sequences may
have any length: nothing is compiled for one.

Which models this fits is not decided by their names: `training.fast.fuse` looks for the parts, then compares results
and gradients with the layers as they were, and leaves them when they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from training.fast.dispatch import run_operation
from training.fast.lora_linear import LoraGroup, LoraLinear
from training.kernels.rms_norm import rms_norm, rms_norm_backward
from training.kernels.rope import apply_rope, apply_rope_backward
from training.kernels.swiglu import swiglu, swiglu_lora_backward

Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]
"""Queries, keys and values; shapes (tokens, heads, head width)."""

_PARTS = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
_CACHES = ("past_key_values", "cache")  # what transformers called and calls it
_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


class FusedDecoderLayer:
    """A decoder layer that runs as two operations.

    Args:
        layer: As transformers made it, with peft's layers in it.
        projections: Its linear layers: query, key, value, output, gate, up, down.

    Attributes:
        recompute: Keep the layer's input only.
        keep: Keep what the backward pass would otherwise recompute: merged weights, normalised states.
        original_forward: The layer's own `forward`.
        parameters: The adapter's matrices, in the order of `projections`, lora_A before lora_B.
    """

    def __init__(self, layer: Any, projections: Sequence[LoraLinear]) -> None:
        self.layer = layer
        self.attention: Any = layer.self_attn
        self.recompute = False
        self.keep = False
        self.original_forward = layer.forward
        query, key, value, output, *gate_up, down = projections
        self.qkv, self.output = LoraGroup([query, key, value]), LoraGroup([output])
        self.gate_up, self.down = LoraGroup(gate_up), LoraGroup([down])
        self._groups = (self.qkv, self.output, self.gate_up, self.down)
        self.parameters = [matrix for group in self._groups for matrix in group.parameters]
        width = int(self.attention.head_dim)
        self.heads, self.kv_heads = query.lora_b.shape[0] // width, key.lora_b.shape[0] // width

    @classmethod
    def read(cls, layer: Any, config: Any) -> FusedDecoderLayer | None:
        """Return the layer fused; None where it is built in another way, or only a part of it has an adapter.

        Args:
            layer: A decoder layer of transformers, with peft's layers in it.
            config: The model's configuration.
        """
        if {name for name, _ in layer.named_children()} != set(_PARTS) or config.hidden_act != "silu":
            return None
        attention, mlp = layer.self_attn, layer.mlp
        names = [name for name, _ in attention.named_children()]
        if sorted(names) != sorted(_PROJECTIONS) or getattr(config, "attention_dropout", False):
            return None
        modules = [getattr(attention, name) for name in _PROJECTIONS]
        modules += [getattr(mlp, name, layer) for name in ("gate_proj", "up_proj", "down_proj")]
        projections = [LoraLinear.read(module) for module in modules]
        readable = [one for one in projections if one is not None]
        alike = len({(one.lora_a.shape[0], one.scale) for one in readable}) == 1
        return cls(layer, readable) if alike and len(readable) == len(projections) else None

    def keep_merged(self, keep: bool) -> None:
        """Let merged weights wait for the backward pass, or merge them again there.

        Args:
            keep: Whether they wait.
        """
        for group in self._groups:
            group.keep_merged = keep

    def install(self) -> None:
        """Take the place of the layer's `forward`."""
        self.layer.forward = self.forward
        self.layer.fused = self

    def remove(self) -> None:
        """Give the layer its own `forward` back."""
        self.layer.forward = self.original_forward
        self.layer.fused = None

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        **options: Any,
    ) -> torch.Tensor:
        """Stand in for the layer's `forward`, which still runs what is no packed sequence.

        Args:
            hidden_states: Shape (1, tokens, hidden).
            attention_mask: For the configured attention.
            args: For the layer's own `forward`.
            position_embeddings: Cosines and sines of the positions; shapes (1, tokens, head width).
            options: For the configured attention; or a cache, which only the layer's own `forward` knows.

        Returns:
            Shape (1, tokens, hidden).
        """
        cached = any(options.get(name) is not None for name in _CACHES)
        if position_embeddings is None or cached or hidden_states.shape[0] != 1:
            states: torch.Tensor = self.original_forward(
                hidden_states, attention_mask, *args, position_embeddings=position_embeddings, **options
            )
            return states
        cos, sin = (values[0] for values in position_embeddings)
        options = {name: value for name, value in options.items() if name not in _CACHES}
        states = hidden_states.squeeze(0)  # an index instead would copy the gradient
        if self.recompute and torch.is_grad_enabled():
            self.keep_merged(False)
            out = _apply(_RecomputedLayer, states, cos, sin, self, attention_mask, options, *self.parameters)
        else:
            self.keep_merged(self.keep and torch.is_grad_enabled())
            *heads, states = _apply(_BeforeAttention, states, cos, sin, self, *self.qkv.parameters)
            attended = self.attend(heads, attention_mask, options)
            out = _apply(_AfterAttention, states, attended, self, *self.parameters[len(self.qkv.parameters) :])
        batch: torch.Tensor = out[None]
        return batch

    def attend(self, heads: Sequence[torch.Tensor], mask: torch.Tensor | None, options: Any) -> torch.Tensor:
        """Run the configured attention.

        Args:
            heads: Queries, keys and values; shapes (tokens, heads, head width).
            mask: As the configured attention takes it.
            options: Other arguments that it takes.

        Returns:
            Shape (tokens, heads * head width).
        """
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        run = ALL_ATTENTION_FUNCTIONS[self.attention.config._attn_implementation]
        states = (part.transpose(0, 1)[None] for part in heads)
        window = getattr(self.attention.config, "sliding_window", None)
        attended, _ = run(
            self.attention, *states, mask, dropout=0.0, scaling=self.attention.scaling, sliding_window=window, **options
        )
        flat: torch.Tensor = attended.reshape(len(heads[0]), -1)
        return flat

    def project_heads(self, states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> tuple[Heads, torch.Tensor]:
        """Run what comes before attention.

        Args:
            states: Hidden states; shape (tokens, hidden).
            cos: Of the positions; shape (tokens, head width).
            sin: Like `cos`.

        Returns:
            Queries, keys and values; and the normalised states that they are made of, shape (tokens, hidden).
        """
        normed = _normalise(states, self.layer.input_layernorm)
        qkv = normed @ self.qkv.merge(states).t()
        heads: Heads = run_operation(apply_rope, qkv, cos, sin, heads=self.heads, kv_heads=self.kv_heads)
        return heads, normed

    def project_heads_backward(
        self,
        gradients: Sequence[torch.Tensor],
        states: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        normed: torch.Tensor | None,
        residual_grad: torch.Tensor,
        *,
        needs_states_grad: bool,
    ) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
        """Return the gradients of what comes before attention.

        Args:
            gradients: Of queries, keys and values.
            states: As for `project_heads`.
            cos: The same.
            sin: The same.
            normed: What `project_heads` returned last; None to recompute it.
            residual_grad: The gradient that reaches the states past attention, which is added; shape (tokens, hidden).
            needs_states_grad: The first layer's states need none.

        Returns:
            The gradient of the states, shape (tokens, hidden), or None; and those of the parameters of `qkv`.
        """
        norm = self.layer.input_layernorm
        qkv_grad = run_operation(apply_rope_backward, *gradients, cos, sin)
        parameter_grads = self.qkv.differentiate(_normalise(states, norm) if normed is None else normed, qkv_grad)
        weight = self.qkv.take_merged(states)
        if not needs_states_grad:
            return None, parameter_grads
        return _normalise_backward(qkv_grad @ weight, states, norm, residual_grad), parameter_grads

    def project_gates(
        self, states: torch.Tensor, attended: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run what comes after attention up to the gate and up projections.

        Args:
            states: Hidden states before attention; shape (tokens, hidden).
            attended: What `attend` returned.

        Returns:
            The states between attention and feed-forward part, shape (tokens, hidden); what the two projections put
            out, shape (tokens, 2 width); and the normalised states that they read, shape (tokens, hidden).
        """
        middle = torch.addmm(states, attended, self.output.merge(states).t())
        normed = _normalise(middle, self.layer.post_attention_layernorm)
        return middle, normed @ self.gate_up.merge(states).t(), normed

    def project_down(self, middle: torch.Tensor, gate_up: torch.Tensor) -> torch.Tensor:
        """Return the hidden states after the layer, shape (tokens, hidden).

        Args:
            middle: What `project_gates` returned first.
            gate_up: What it returned second.
        """
        return torch.addmm(middle, run_operation(swiglu, gate_up), self.down.merge(middle).t())

    def after_attention_backward(
        self,
        gradient: torch.Tensor,
        attended: torch.Tensor,
        middle: torch.Tensor,
        gate_up: torch.Tensor,
        normed: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return the gradients of `project_gates` and `project_down` together.

        `gate_up` is written over, so this can be done once.

        Args:
            gradient: Of the hidden states after the layer; shape (tokens, hidden).
            attended: As given to `project_gates`.
            middle: What that returned first.
            gate_up: What it returned second.
            normed: What it returned last; None to recompute it.

        Returns:
            The gradients of the hidden states before attention, past it, and of `attended`; and those of the parameters
            of `output`, `gate_up` and `down`.
        """
        norm = self.layer.post_attention_layernorm
        wide = gradient @ self.down.take_merged(gradient)
        adapters = *self.gate_up.scale_lora_b(gradient), self.down.scale_lora_a(gradient)
        activation, gate_up_grad, down_low_rank, gate_up_low_rank = run_operation(
            swiglu_lora_backward, gate_up, wide, *adapters
        )
        del wide
        parameter_grads = self.down.differentiate(activation, gradient, inputs_lora_a=down_low_rank)
        del activation
        normed = _normalise(middle, norm) if normed is None else normed
        gate_up_grads = self.gate_up.differentiate(normed, gate_up_grad, gradient_lora_b=gate_up_low_rank)
        states_grad = _normalise_backward(gate_up_grad @ self.gate_up.take_merged(gradient), middle, norm, gradient)
        del gate_up_grad
        output_grads = self.output.differentiate(attended, states_grad)
        attended_grad = states_grad @ self.output.take_merged(gradient)
        return states_grad, attended_grad, output_grads + gate_up_grads + parameter_grads


def _normalise(states: torch.Tensor, norm: Any) -> torch.Tensor:
    normed: torch.Tensor = run_operation(rms_norm, states, norm.weight, eps=norm.variance_epsilon)
    return normed


def _normalise_backward(
    gradient: torch.Tensor, states: torch.Tensor, norm: Any, residual_grad: torch.Tensor
) -> torch.Tensor:
    inputs = gradient, states, norm.weight, residual_grad
    states_grad: torch.Tensor = run_operation(rms_norm_backward, *inputs, eps=norm.variance_epsilon)
    return states_grad


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    return function.apply(*inputs)  # type: ignore[no-untyped-call]  # torch leaves it unannotated


class _BeforeAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Any, cos: Any, sin: Any, layer: FusedDecoderLayer, *parameters: Any) -> Any:
        with torch.autocast(states.device.type, enabled=False):
            heads, normed = layer.project_heads(states, cos, sin)
        ctx.save_for_backward(states, cos, sin, normed if layer.keep else None)
        ctx.layer = layer
        return *heads, states  # so that their gradient from `_AfterAttention` can be added in the norm's own pass

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        *heads_grad, residual_grad = gradients
        states_grad, parameter_grads = ctx.layer.project_heads_backward(
            heads_grad, *ctx.saved_tensors, residual_grad, needs_states_grad=ctx.needs_input_grad[0]
        )
        return states_grad, None, None, None, *parameter_grads


class _AfterAttention(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Any, attended: Any, layer: FusedDecoderLayer, *parameters: Any) -> Any:
        with torch.autocast(states.device.type, enabled=False):
            middle, gate_up, normed = layer.project_gates(states, attended)
            ctx.save_for_backward(attended, middle, gate_up, normed if layer.keep else None)
            ctx.layer = layer
            return layer.project_down(middle, gate_up)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        states_grad, attended_grad, parameter_grads = ctx.layer.after_attention_backward(
            gradients[0].contiguous(), *ctx.saved_tensors
        )
        return states_grad, attended_grad, None, *parameter_grads


class _RecomputedLayer(torch.autograd.Function):
    """The layer keeping its input only; the backward pass recomputes the rest, but for the last product."""

    @staticmethod
    def forward(
        ctx: Any, states: Any, cos: Any, sin: Any, layer: FusedDecoderLayer, mask: Any, options: Any, *_: Any
    ) -> Any:
        ctx.save_for_backward(states, cos, sin)
        ctx.layer, ctx.mask, ctx.options = layer, mask, options
        with torch.autocast(states.device.type, enabled=False):
            attended = layer.attend(layer.project_heads(states, cos, sin)[0], mask, options)
            return layer.project_down(*layer.project_gates(states, attended)[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        states, cos, sin = ctx.saved_tensors
        layer: FusedDecoderLayer = ctx.layer
        layer.keep_merged(True)  # until the gradients below took them
        heads = [part.requires_grad_() for part in layer.project_heads(states, cos, sin)[0]]
        with torch.enable_grad():
            attended = layer.attend(heads, ctx.mask, ctx.options)
        middle, gate_up = layer.project_gates(states, attended.detach())[:2]
        residual_grad, attended_grad, later_grads = layer.after_attention_backward(
            gradients[0].contiguous(), attended.detach(), middle, gate_up
        )
        del middle, gate_up
        heads_grad = torch.autograd.grad(attended, heads, attended_grad)
        states_grad, qkv_grads = layer.project_heads_backward(
            heads_grad, states, cos, sin, None, residual_grad, needs_states_grad=ctx.needs_input_grad[0]
        )
        return states_grad, None, None, None, None, None, *qkv_grads, *later_grads
