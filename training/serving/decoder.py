"""A decoder of the Llama family that runs tokens of several chats at once, over a static key-value cache.

Each token has a slot and a position, and that is all that tells one chat from another: one new token of each of sixteen
chats and a thousand of one run through the same code. Which models this fits is not decided by their names: the parts
are looked for, and `training.serving.engine` compares results with the model as transformers and peft run it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch

from training.fast.compile import find_layers
from training.fast.dispatch import run_operation
from training.kernels.nf4_matvec import MAX_TOKENS
from training.kernels.rms_norm import rms_norm
from training.kernels.rope_to_slots import rope_to_slots
from training.kernels.slot_attention import list_tiles, slot_attention, slot_attention_tiles_triton
from training.model.causal_lm import make_causal_lm
from training.serving.projection import LoraShare, Preparation, Projection, make_projection
from training.serving.slots import KvCache

_GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("self_attn", ("q_proj", "k_proj", "v_proj")),
    ("self_attn", ("o_proj",)),
    ("mlp", ("gate_proj", "up_proj")),
    ("mlp", ("down_proj",)),
)
_PARTS = {"input_layernorm", "self_attn", "post_attention_layernorm", "mlp"}
_ROPE_TYPES = ("default", "linear", "llama3")  # whose rotations don't depend on how long a prompt is
_LEAST_WIDTH = 16  # of a head, that a matrix unit takes


class UnknownModelError(Exception):
    """The model or its adapter has parts that the decoder does not know; the text names them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewTokens:
    """Tokens to run, on the decoder's device.

    Args:
        ids: Token ids; shape (tokens,), int64.
        slots: Slot of each, negative for padding; shape (tokens,), int32.
        positions: Position of each in its slot; shape (tokens,), int32.
        tiles: From `list_tiles`, where many tokens of a chat are new; shape (tiles, 2), int32. None takes each token
            for itself.
    """

    ids: torch.Tensor
    slots: torch.Tensor
    positions: torch.Tensor
    tiles: torch.Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    module: Any
    before_attention: Preparation
    before_gates: Preparation
    projections: tuple[Projection, Projection, Projection, Projection]


class Decoder:
    """Runs a model's tokens through its weights, which stay where they are.

    Args:
        model: Model of transformers in evaluation mode, or peft's wrapper of one.
        rank: Largest rank of an adapter.
        roomy: Take memory for speed, as `Nf4Projection` says.

    Attributes:
        dtype: Format to compute in.
        device: Where it runs.
        vocabulary: Width of the logits.

    Raises:
        UnknownModelError: The model is built in another way.
    """

    def __init__(self, model: Any, *, rank: int, roomy: bool = True) -> None:
        lm = make_causal_lm(model, dtype=model.dtype, device=model.device.type)
        if lm.head is None:
            raise UnknownModelError("its head does more than one product")
        self._config = lm.model.config.get_text_config()
        self._body, self._head = lm.body, cast("Any", lm.head)
        self.dtype: torch.dtype = model.dtype
        self.device: torch.device = model.device
        modules = find_layers(lm)
        _check_model(lm.body, modules, self._config)
        attention = modules[0].self_attn
        self.width = int(cast("Any", attention).head_dim)
        self.kv_heads = int(self._config.num_key_value_heads)
        self._scale = float(cast("Any", attention).scaling)
        like = torch.empty(0, dtype=self.dtype, device=self.device)
        self._layers = [_read_layer(module, rank=rank, like=like, roomy=roomy) for module in modules]
        self.vocabulary = int(self._head.weight.shape[0])
        self._cos = self._sin = like

    @property
    def modules(self) -> list[Any]:
        """Return the decoder layers of the model, in order."""
        return [layer.module for layer in self._layers]

    @property
    def window(self) -> float:
        """Return how many tokens the model looks back, infinite where that is all."""
        return getattr(self._config, "sliding_window", None) or float("inf")

    @property
    def bytes_per_token(self) -> int:
        """Return what a token takes in the cache, bytes."""
        return 2 * len(self._layers) * self.kv_heads * self.width * self.dtype.itemsize

    @torch.no_grad()
    def allocate(self, slots: int, capacity: int) -> KvCache:
        """Return a cache for the model, and keep the rotations of as many positions.

        Args:
            slots: Chats that it holds.
            capacity: Tokens of a slot.
        """
        positions = torch.arange(capacity, device=self.device)[None]
        like = torch.empty(1, dtype=self.dtype, device=self.device)
        cos, sin = self._body.rotary_emb(like, positions)
        self._cos, self._sin = cos[0].contiguous(), sin[0].contiguous()
        return KvCache.allocate(
            layers=len(self._layers),
            slots=slots,
            kv_heads=self.kv_heads,
            capacity=capacity,
            width=self.width,
            dtype=self.dtype,
            device=self.device,
        )

    def read_adapter(self) -> None:
        """Take over the adapter that peft has on the model now, or none.

        Raises:
            UnknownModelError: It does more than add a product of two matrices, or its rank is too large.
        """
        shares = [_read_shares(layer.module) for layer in self._layers]  # first, because it may refuse
        for layer, groups in zip(self._layers, shares, strict=True):
            for projection, group in zip(layer.projections, groups, strict=True):
                rank = max((len(share.lora_a) for share in group if share), default=0)
                if rank * len(group) > len(projection.lora.lora_a):
                    raise UnknownModelError(f"an adapter of rank {rank}")
                projection.lora.write(group)

    def run(self, new: NewTokens, cache: KvCache) -> torch.Tensor:
        """Run tokens through all layers; their keys and values are in the cache after it.

        Args:
            new: The tokens.
            cache: From `allocate`; written.

        Returns:
            Hidden states before the last norm; shape (tokens, hidden).
        """
        states: torch.Tensor = self._body.embed_tokens(new.ids)
        for number in range(len(self._layers)):
            states = self.run_layer(number, states, new, cache)
        return states

    def run_layer(self, number: int, states: torch.Tensor, new: NewTokens, cache: KvCache) -> torch.Tensor:
        """Run tokens through one layer.

        Args:
            number: Which, from 0.
            states: Hidden states before it; shape (tokens, hidden).
            new: The tokens.
            cache: From `allocate`; written.

        Returns:
            Hidden states after it; shape (tokens, hidden).
        """
        layer, keys, values = self._layers[number], cache.keys[number], cache.values[number]
        qkv, output, gate_up, down = layer.projections
        heads = qkv.run(states, layer.before_attention)
        places = new.slots, new.positions
        query = run_operation(rope_to_slots, heads, self._cos, self._sin, *places, keys, values)
        if new.tiles is None or not query.is_cuda:
            attended = run_operation(slot_attention, query, keys, values, *places, scale=self._scale)
        else:
            attended = slot_attention_tiles_triton(query, keys, values, *places, new.tiles, scale=self._scale)
        states = output.run(attended, Preparation(), states)
        return down.run(gate_up.run(states, layer.before_gates), Preparation(kind="swiglu"), states)

    def compute_logits(self, states: torch.Tensor) -> torch.Tensor:
        """Return the logits of some states.

        Args:
            states: Of what `run` returned; shape (tokens, hidden).

        Returns:
            Shape (tokens, vocabulary).
        """
        norm = self._body.norm
        logits: torch.Tensor = self._head(run_operation(rms_norm, states, norm.weight, eps=norm.variance_epsilon))
        return logits

    def place_tokens(self, chats: Sequence[tuple[int, int, Sequence[int]]]) -> tuple[NewTokens, list[int]]:
        """Lay new tokens of some chats side by side, padded to one of few lengths on a GPU.

        Args:
            chats: Slot, position of the first new token, and the new tokens of each; each slot once.

        Returns:
            The tokens, and the index of the last token of each chat.
        """
        ids = [token for _, _, tokens in chats for token in tokens]
        slots = [slot for slot, _, tokens in chats for _ in tokens]
        positions = [start + index for _, start, tokens in chats for index in range(len(tokens))]
        lengths = [len(tokens) for _, _, tokens in chats]
        many = len(ids) > MAX_TOKENS
        padding = _pad(len(ids)) - len(ids) if self.device.type == "cuda" else 0
        integers = [slots + [-1] * padding, positions + [0] * padding]
        tiles = self._to_device(list_tiles(lengths), torch.int32) if many else None
        ends = [sum(lengths[: number + 1]) - 1 for number in range(len(lengths))]
        placed = [self._to_device(values, torch.int32) for values in integers]
        new = NewTokens(
            ids=self._to_device(ids + [0] * padding, torch.int64), slots=placed[0], positions=placed[1], tiles=tiles
        )
        return new, ends

    def _to_device(self, values: Sequence[Any], dtype: torch.dtype) -> torch.Tensor:
        made = torch.tensor(values, dtype=dtype)
        return made.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else made


def _pad(tokens: int) -> int:
    """Return how many tokens a run is padded to: few lengths, of which kernels are compiled for each."""
    if tokens > MAX_TOKENS:
        return -(-tokens // MAX_TOKENS) * MAX_TOKENS
    return max(8, 1 << (tokens - 1).bit_length())


def _check_model(body: Any, modules: Sequence[Any], config: Any) -> None:
    if not modules or not all(hasattr(body, name) for name in ("embed_tokens", "norm", "rotary_emb")):
        raise UnknownModelError("no list of decoder layers between an embedding and a norm")
    if config.hidden_act != "silu":
        raise UnknownModelError(f"activation {config.hidden_act}")
    rope = getattr(body.rotary_emb, "rope_type", "default")
    if rope not in _ROPE_TYPES:
        raise UnknownModelError(f"rotary embedding {rope}")
    width = int(modules[0].self_attn.head_dim)
    if width < _LEAST_WIDTH or width & (width - 1):
        raise UnknownModelError(f"heads {width} numbers wide")


def _read_layer(module: Any, *, rank: int, like: torch.Tensor, roomy: bool) -> _Layer:
    known = {name for name, _ in module.named_children()} == _PARTS
    names = {name for owner, group in _GROUPS for name in group if owner == "self_attn"}
    if not known or {name for name, _ in module.self_attn.named_children()} != names:
        raise UnknownModelError(f"a layer of kind {type(module).__name__}")
    groups = [[_find_base(getattr(getattr(module, owner), name)) for name in group] for owner, group in _GROUPS]
    if any(layer.bias is not None for layers in groups for layer in layers):
        raise UnknownModelError("linear layers with a bias")
    norms = (module.input_layernorm, module.post_attention_layernorm)
    prepared = [Preparation(kind="norm", weight=norm.weight, eps=norm.variance_epsilon) for norm in norms]
    qkv, output, gate_up, down = (make_projection(layers, rank=rank, like=like, roomy=roomy) for layers in groups)
    return _Layer(
        module=module,
        before_attention=prepared[0],
        before_gates=prepared[1],
        projections=(qkv, output, gate_up, down),
    )


def _find_base(module: Any) -> Any:
    layer = module.get_base_layer() if hasattr(module, "get_base_layer") else module
    if not isinstance(layer, torch.nn.Linear):
        raise UnknownModelError(f"a linear layer of kind {type(layer).__name__}")
    return layer


def _read_shares(module: Any) -> list[list[LoraShare | None]]:
    return [[_read_share(getattr(getattr(module, owner), name)) for name in group] for owner, group in _GROUPS]


def _read_share(module: Any) -> LoraShare | None:
    from peft.tuners.lora import LoraLayer

    if not isinstance(module, LoraLayer):
        return None
    module = cast("Any", module)
    names = [name for name in module.active_adapters if name in module.lora_A]
    if not names or module.disable_adapters:
        return None
    lora_a, lora_b = module.lora_A[names[0]], module.lora_B[names[0]]
    if len(names) > 1 or module.merged or module.lora_variant or lora_a.bias is not None or lora_b.bias is not None:
        raise UnknownModelError("an adapter that does more than add a product of two matrices")
    return LoraShare(lora_a=lora_a.weight, lora_b=lora_b.weight, scale=float(module.scaling[names[0]]))
