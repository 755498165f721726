"""How updates are cut: as a memory plan and the implementation of attention ask for."""

from __future__ import annotations

import pytest

from training.loop.layout import make_layout
from training.model.memory import Memory, Plan

MEMORY = Memory(weights=1, adapter=2, activations=3, attention=4, logits=5)


@pytest.mark.parametrize(("attention", "packed"), [("per_sample", True), ("sdpa", True), ("unpacked", False)])
def test_samples_are_packed_unless_attention_would_mix_them(attention: str, packed: bool) -> None:
    plan = Plan(max_pack_tokens=2048, checkpointing=True, memory=MEMORY, fits=True)
    layout = make_layout(plan, attention)
    assert layout.packed is packed
    assert (layout.max_pack_tokens, layout.checkpointing, layout.memory) == (2048, True, MEMORY)
    assert not layout.pad and not layout.graphed
