"""How an update is cut into forward passes."""

from __future__ import annotations

from dataclasses import dataclass

from training.model.memory import Memory, Plan


@dataclass(slots=True, kw_only=True)
class Layout:
    """How an update is cut into forward passes; running out of memory changes it.

    Args:
        max_pack_tokens: Tokens of a forward pass.
        checkpointing: Recompute activations in the backward pass.
        pad: Pad packed sequences to `max_pack_tokens`, so that compiled layers meet one shape only.
        packed: Several samples may share a forward pass.
        graphed: Replay short forward and backward passes from CUDA graphs; for fused layers on a GPU.
        memory: What that was estimated to need.
    """

    max_pack_tokens: int
    checkpointing: bool = False
    pad: bool = False
    packed: bool = True
    graphed: bool = False
    memory: Memory | None = None


def make_layout(plan: Plan, attention: str) -> Layout:
    """Return the layout that a memory plan and an implementation of attention ask for.

    Args:
        plan: From `fit_plan`.
        attention: Which implementation runs, of `training.fast.attention.PATHS`.
    """
    return Layout(
        max_pack_tokens=plan.max_pack_tokens,
        checkpointing=plan.checkpointing,
        packed=attention != "unpacked",
        memory=plan.memory,
    )
