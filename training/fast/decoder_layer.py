"""Decoder layers of the Llama family as two operations with a backward pass of their own.

transformers and peft run a layer as some hundred operations. Here it is: *enter*, from the hidden states to queries,
keys and values; attention as it is configured; *leave*, the rest. Weights are merged with the adapter at each use
(`training.fast.lora_linear`), the element-wise work between two products is compiled into one pass, and the backward
pass knows what it can make again cheaply, so little is kept. Rows may have any length: nothing is compiled for one.

Which models this fits is not decided by their names: `fuse_layers` looks for the parts, then compares results and
gradients with the layers as written, and leaves them when they differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from training.config import TrainConfig
from training.fast.compile import find_layers
from training.fast.lora_linear import Adapted, Group
from training.kernels.pieces import denormalise, gate, normalise, run_piece, turn, turn_back, ungate_narrow
from training.model.causal_lm import CausalLM
from training.model.device import Device, can_run_kernels

Heads = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # queries, keys, values; shapes (tokens, heads, width)

_PARTS = ("input_layernorm", "self_attn", "post_attention_layernorm", "mlp")
_PROBE, _PROBE_SCALE = 24, 0.01  # tokens of a sample, and size of an adapter's weights, in the check
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj")


class FusedDecoderLayer:
    """A decoder layer that runs as two operations.

    Args:
        layer: As transformers made it, with peft's layers in it.
        projections: Its adapted layers: query, key, value, output, gate, up, down.

    Attributes:
        recompute: Keep the layer's input only.
        keep: Keep what the backward pass would otherwise make again: merged weights, normalised states.
    """

    def __init__(self, layer: Any, projections: Sequence[Adapted]) -> None:
        self.layer = layer
        self.attention: Any = layer.self_attn
        self.recompute = False
        self.keep = False
        self.written = layer.forward  # before ours takes its place
        query, key, value, output, *gates, down = projections
        self.qkv, self.output = Group([query, key, value]), Group([output])
        self.gates, self.down = Group(gates), Group([down])
        self.parameters = [x for g in (self.qkv, self.output, self.gates, self.down) for x in g.parameters]
        width = int(self.attention.head_dim)
        self.heads, self.groups = query.second.shape[0] // width, key.second.shape[0] // width

    @classmethod
    def read(cls, layer: Any, config: Any) -> FusedDecoderLayer | None:
        """Return the layer fused; None where it is built in another way, or only a part of it is adapted."""
        if {name for name, _ in layer.named_children()} != set(_PARTS) or config.hidden_act != "silu":
            return None
        attention, mlp = layer.self_attn, layer.mlp
        names = [name for name, _ in attention.named_children()]
        if sorted(names) != sorted(_PROJECTIONS) or getattr(config, "attention_dropout", False):
            return None
        modules = [getattr(attention, name) for name in _PROJECTIONS]
        modules += [getattr(mlp, name, layer) for name in ("gate_proj", "up_proj", "down_proj")]
        projections = [Adapted.read(module) for module in modules]
        found = [one for one in projections if one is not None]
        alike = len({(one.first.shape[0], one.scale) for one in found}) == 1
        return cls(layer, found) if alike and len(found) == len(projections) else None

    def keep_weights(self, wanted: bool) -> None:
        """Let merged weights wait for the backward pass, or merge them again there."""
        for group in (self.qkv, self.output, self.gates, self.down):
            group.keep = wanted

    def install(self) -> None:
        """Take the place of the layer's `forward`."""
        self.layer.forward = self.forward
        self.layer.fused = self

    def remove(self) -> None:
        """Let the layer run as written again."""
        self.layer.forward = self.written
        self.layer.fused = None

    def forward(
        self,
        hidden_states: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        *args: Any,
        position_embeddings: tuple[torch.Tensor, torch.Tensor] | None = None,
        past_key_values: Any = None,
        **rest: Any,
    ) -> torch.Tensor:
        """Stand in for the layer's `forward`; what is no row is left to the layer as written."""
        if position_embeddings is None or past_key_values is not None or hidden_states.shape[0] != 1:
            found: torch.Tensor = self.written(
                hidden_states,
                attention_mask,
                *args,
                position_embeddings=position_embeddings,
                past_key_values=past_key_values,
                **rest,
            )
            return found
        cos, sin = (values[0] for values in position_embeddings)
        row = hidden_states.squeeze(0)  # an index instead would copy the gradient
        if self.recompute and torch.is_grad_enabled():
            self.keep_weights(False)
            out = _apply(_Whole, row, cos, sin, self, attention_mask, rest, *self.parameters)
        else:
            self.keep_weights(self.keep and torch.is_grad_enabled())
            *heads, row = _apply(_Enter, row, cos, sin, self, *self.qkv.parameters)
            attended = self.attend(heads, attention_mask, rest)
            out = _apply(_Leave, row, attended, self, *self.parameters[6:])
        joined: torch.Tensor = out[None]
        return joined

    def attend(self, heads: Sequence[torch.Tensor], mask: torch.Tensor | None, rest: Any) -> torch.Tensor:
        """Run the configured attention; shapes (tokens, heads, width) to (tokens, heads * width)."""
        from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

        run = ALL_ATTENTION_FUNCTIONS[self.attention.config._attn_implementation]
        states = (part.transpose(0, 1)[None] for part in heads)
        window = getattr(self.attention.config, "sliding_window", None)
        attended, _ = run(
            self.attention, *states, mask, dropout=0.0, scaling=self.attention.scaling, sliding_window=window, **rest
        )
        found: torch.Tensor = attended.reshape(len(heads[0]), -1)
        return found

    def enter(self, states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> tuple[Heads, torch.Tensor]:
        """Return queries, keys and values, and the normalised states that they are made of."""
        inner = self._normalise(states, self.layer.input_layernorm)
        found: Heads = run_piece(turn, inner @ self.qkv.merge(states).t(), cos, sin, self.heads, self.groups)
        return found, inner

    def enter_back(
        self,
        gradients: Sequence[torch.Tensor],
        states: torch.Tensor,
        cos: torch.Tensor,
        sin: torch.Tensor,
        inner: torch.Tensor | None,
        also: torch.Tensor,
        wanted: bool,
    ) -> tuple[torch.Tensor | None, list[torch.Tensor]]:
        """Return the gradient of the states, where it is wanted, and those of the parameters.

        Args:
            gradients: Of queries, keys and values.
            states: As for `enter`.
            cos: The same.
            sin: The same.
            inner: What `enter` returned last; None to make it again.
            also: The gradient that reaches the states past attention; it is added.
            wanted: Whether that of the states is.
        """
        norm = self.layer.input_layernorm
        joined = run_piece(turn_back, *gradients, cos, sin)
        found = self.qkv.differentiate(self._normalise(states, norm) if inner is None else inner, joined)
        weight = self.qkv.take(states)
        back = self._denormalise(joined @ weight, states, norm, also) if wanted else None
        return back, found

    def open_gates(
        self, states: torch.Tensor, attended: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the states between attention and feed-forward part, what the gates put out, and what they read."""
        middle = torch.addmm(states, attended, self.output.merge(states).t())
        inner = self._normalise(middle, self.layer.post_attention_layernorm)
        return middle, inner @ self.gates.merge(states).t(), inner

    def leave(self, middle: torch.Tensor, joined: torch.Tensor) -> torch.Tensor:
        """Return the states after the layer."""
        return torch.addmm(middle, run_piece(gate, joined), self.down.merge(middle).t())

    def leave_back(
        self,
        gradient: torch.Tensor,
        attended: torch.Tensor,
        middle: torch.Tensor,
        joined: torch.Tensor,
        inner: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor, list[torch.Tensor]]:
        """Return the gradients of the states before `open_gates`, of what was attended, and of the parameters.

        What the gates put out is written over, so this can be done once.
        """
        norm = self.layer.post_attention_layernorm
        wide = gradient @ self.down.take(gradient)
        adapters = *self.gates.scale_seconds(gradient), self.down.scale_firsts(gradient)
        gated, back, narrowed, narrow_back = run_piece(ungate_narrow, joined, wide, *adapters)
        del wide
        found = self.down.differentiate(gated, gradient, narrowed=narrowed)
        del gated
        inner = self._normalise(middle, norm) if inner is None else inner
        found = self.gates.differentiate(inner, back, narrow_back=narrow_back) + found
        back = self._denormalise(back @ self.gates.take(gradient), middle, norm, gradient)
        found = self.output.differentiate(attended, back) + found
        return back, back @ self.output.take(gradient), found

    def _normalise(self, states: torch.Tensor, norm: Any) -> torch.Tensor:
        found: torch.Tensor = run_piece(normalise, states, norm.weight, norm.variance_epsilon)
        return found

    def _denormalise(self, gradient: torch.Tensor, states: torch.Tensor, norm: Any, also: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = run_piece(denormalise, gradient, states, norm.weight, norm.variance_epsilon, also)
        return found


def _apply(function: type[torch.autograd.Function], *inputs: Any) -> Any:
    return function.apply(*inputs)  # type: ignore[no-untyped-call]  # torch leaves it unannotated


class _Enter(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Any, cos: Any, sin: Any, layer: FusedDecoderLayer, *parameters: Any) -> Any:
        with torch.autocast(states.device.type, enabled=False):
            heads, inner = layer.enter(states, cos, sin)
        ctx.save_for_backward(states, cos, sin, inner if layer.keep else None)
        ctx.layer = layer
        return *heads, states  # so that what comes back to them from `_Leave` can be added on the way

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        *heads, also = gradients
        back, found = ctx.layer.enter_back(heads, *ctx.saved_tensors, also, ctx.needs_input_grad[0])
        return back, None, None, None, *found


class _Leave(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: Any, attended: Any, layer: FusedDecoderLayer, *parameters: Any) -> Any:
        with torch.autocast(states.device.type, enabled=False):
            middle, joined, inner = layer.open_gates(states, attended)
            ctx.save_for_backward(attended, middle, joined, inner if layer.keep else None)
            ctx.layer = layer
            return layer.leave(middle, joined)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        back, attended, found = ctx.layer.leave_back(gradients[0].contiguous(), *ctx.saved_tensors)
        return back, attended, None, *found


class _Whole(torch.autograd.Function):
    """The layer keeping its input only; the backward pass makes the rest again, but for the last product."""

    @staticmethod
    def forward(
        ctx: Any, states: Any, cos: Any, sin: Any, layer: FusedDecoderLayer, mask: Any, rest: Any, *_: Any
    ) -> Any:
        ctx.save_for_backward(states, cos, sin)
        ctx.layer, ctx.mask, ctx.rest = layer, mask, rest
        with torch.autocast(states.device.type, enabled=False):
            attended = layer.attend(layer.enter(states, cos, sin)[0], mask, rest)
            return layer.leave(*layer.open_gates(states, attended)[:2])

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> Any:
        states, cos, sin = ctx.saved_tensors
        layer: FusedDecoderLayer = ctx.layer
        layer.keep_weights(True)  # until the gradients below took them
        heads = [part.requires_grad_() for part in layer.enter(states, cos, sin)[0]]
        with torch.enable_grad():
            attended = layer.attend(heads, ctx.mask, ctx.rest)
        middle, joined = layer.open_gates(states, attended.detach())[:2]
        back, attended_back, found = layer.leave_back(gradients[0].contiguous(), attended.detach(), middle, joined)
        del middle, joined
        heads_back = torch.autograd.grad(attended, heads, attended_back)
        entered, first = layer.enter_back(heads_back, states, cos, sin, None, back, ctx.needs_input_grad[0])
        return entered, None, None, None, None, None, *first, *found


def list_fused(lm: CausalLM) -> list[FusedDecoderLayer]:
    """Return the layers of a model that run fused."""
    found = (getattr(layer, "fused", None) for layer in find_layers(lm))
    return [layer for layer in found if isinstance(layer, FusedDecoderLayer)]


def will_fuse(config: TrainConfig, device: Device) -> bool:
    """Tell whether layers are to be fused, before the model is there to look at."""
    return config.compile is not False and not config.lora.dropout and device.type == "cuda" and can_run_kernels()


def fuse_layers(lm: CausalLM) -> tuple[bool, str]:
    """Fuse all decoder layers of a model, or none.

    Args:
        lm: The model, with an adapter; changed in place.

    Returns:
        Whether they run fused, and a line that says so, with the largest difference, or why not.
    """
    if lm.device == "cuda" and not can_run_kernels():
        return False, "layers: not fused, because Triton or a GPU of compute capability 8 is missing"
    if list_fused(lm):
        return True, "layers: fused already"
    layers = [FusedDecoderLayer.read(layer, lm.model.config) for layer in find_layers(lm)]
    fused = [layer for layer in layers if layer is not None]
    if not fused or len(fused) < len(layers):
        return False, "layers: not fused, because this model or adapter has other parts than ours know"
    try:
        error = max(measure_difference(lm, layer) for layer in fused)
    except Exception as exc:  # whatever goes wrong in a compiler: the layers as written are still there
        return False, f"layers: not fused, because the check fails: {type(exc).__name__}"
    if not error <= _TOLERANCE[lm.dtype]:
        return False, f"layers: not fused, because results differ (relative error {error:.1e})"
    for layer in fused:
        layer.install()
    return True, f"layers: fused, weights merged with the adapter at each use (checked, relative error {error:.1e})"


def measure_difference(lm: CausalLM, layer: FusedDecoderLayer) -> float:
    """Compare a fused layer with the layer as written: its result, and the gradients of its input and its adapter.

    Returns:
        The largest relative error of these tensors, by norm.
    """
    generator = torch.Generator(lm.device).manual_seed(0)
    hidden = int(lm.model.config.get_text_config().hidden_size)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(shape, generator=generator, device=lm.device)

    states, upstream = (draw(1, 2 * _PROBE, hidden).to(lm.dtype) for _ in range(2))
    positions = torch.arange(2 * _PROBE, device=lm.device)[None] % _PROBE
    cu_seqlens = torch.tensor([0, _PROBE, 2 * _PROBE], dtype=torch.int32, device=lm.device)
    rest = {"cu_seq_lens_q": cu_seqlens, "cu_seq_lens_k": cu_seqlens, "max_length_q": _PROBE, "max_length_k": _PROBE}
    turns = lm.body.rotary_emb(states, positions)

    def run(forward: Any) -> tuple[torch.Tensor, ...]:
        given = states.clone().requires_grad_()
        with lm.autocast():
            out = forward(given, position_ids=positions, position_embeddings=turns, **rest)
        return out.detach(), *torch.autograd.grad(out, [given, *layer.parameters], upstream)

    seconds = layer.parameters[1::2]
    kept = [matrix.detach().clone() for matrix in seconds]
    try:
        with torch.no_grad():  # of a new adapter they are 0, which would hide half of the work
            for matrix in seconds:
                matrix.copy_(draw(*matrix.shape) * _PROBE_SCALE)
        pairs = zip(run(layer.forward), run(layer.written), strict=True)
        return max(float((ours.float() - theirs.float()).norm() / theirs.float().norm()) for ours, theirs in pairs)
    finally:
        with torch.no_grad():
            for matrix, value in zip(seconds, kept, strict=True):
                matrix.copy_(value)
