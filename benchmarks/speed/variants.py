"""What is measured: shapes of the base, and ways of training it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

FULL = {"vocab_size": 32000, "hidden_size": 4096, "num_hidden_layers": 32, "num_attention_heads": 32}
FULL |= {"num_key_value_heads": 8, "intermediate_size": 14336}
SMALL = {"vocab_size": 512, "hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"num_key_value_heads": 2, "intermediate_size": 256}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """A way of this project.

    Args:
        title: What the table calls it.
        settings: Over the preset.
        warm: Updates before measuring begins.
        preset: Of the training configuration.
        memory_gib: What may be taken of the GPU's memory, to act as a smaller card; None for all.
        capability: Compute capability to act as; None for the GPU's own.
    """

    title: str
    settings: dict[str, Any] = field(default_factory=dict)
    warm: int
    preset: str = "default"
    memory_gib: float | None = None
    capability: tuple[int, int] | None = None


_FLOAT16 = {"compute_dtype": "float16", "attention": "sdpa", "max_pack_tokens": 2048}
OURS = {
    "default": Ours(title="ours, preset default", warm=6),
    "samples16": Ours(title="ours, 16 samples an update", settings={"batch_samples": 16}, warm=160),
    "small": Ours(title="ours, preset small", preset="small", warm=14),
    "written": Ours(title="ours, layers neither fused nor compiled", settings={"compile": False}, warm=4),
    "fp16": Ours(title="ours, float16 and sdpa", settings=_FLOAT16, warm=4),
    "card8": Ours(title="ours, preset small in 7 GiB, as on a card of 8", preset="small", warm=14, memory_gib=7.0),
    "t4": Ours(
        title="ours, preset small as on a T4: 14 GiB, float16, sdpa, no Triton kernels",
        preset="small",
        warm=3,
        memory_gib=14.0,
        capability=(7, 5),
    ),
}
THEIRS = {
    "article": "the article's recipe",
    "trl": "TRL SFTTrainer, defaults, 4 x 4",
    "trl_packed": "TRL packed 4 x 2048, varlen, Liger",
}
TITLES = THEIRS | {name: variant.title for name, variant in OURS.items()}
ORDER = ("article", "default", "samples16", "small", "trl_packed", "trl", "written", "fp16", "card8", "t4")
