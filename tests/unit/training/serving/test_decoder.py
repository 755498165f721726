"""The decoder: prompts at once and token by token, with and without an adapter, as transformers and peft compute it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from training.config import make_config
from training.model.lora import attach_lora
from training.serving.decoder import Decoder

IDS = np.random.default_rng(0).integers(3, 250, 40).tolist()


def adapt(model: Any, *, targets: tuple[str, ...] | None = None) -> Any:
    values: dict[str, Any] = {"r": 4, "alpha": 12, **({"targets": targets} if targets else {})}
    adapted, _ = attach_lora(model, make_config("default", {"lora": values}).lora, seed=3)
    generator = torch.Generator().manual_seed(1)
    for key, value in adapted.named_parameters():
        if "lora_B" in key:
            value.data = torch.randn(value.shape, generator=generator) * 0.1
    return adapted.eval()


@torch.no_grad()
def predict(decoder: Decoder, model: Any) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the logits of all tokens in slot 1, read in three parts, and those of the model."""
    cache = decoder.allocate(3, 64)
    found = []
    for start, end in ((0, 25), (25, 39), (39, 40)):
        new, ends = decoder.place_tokens([(2, 0, IDS[5:9]), (1, start, IDS[start:end])])
        assert ends == [3, 3 + end - start]
        found.append(decoder.compute_logits(decoder.run(new, cache)[4:]))
    return torch.cat(found), model(input_ids=torch.tensor([IDS]), use_cache=False).logits[0]


@pytest.mark.parametrize("targets", [None, ("q_proj", "down_proj"), ("up_proj",)])
def test_logits_are_those_of_peft(model: Any, targets: tuple[str, ...] | None) -> None:
    decoder = Decoder(model, rank=16)
    bare, exact = predict(decoder, model)
    assert torch.allclose(bare, exact, atol=1e-4)
    adapted = adapt(model, targets=targets)
    decoder.read_adapter()
    found, exact = predict(decoder, adapted)
    assert torch.allclose(found, exact, atol=1e-4)
    assert not torch.allclose(found, bare, atol=1e-2)


def test_reading_an_adapter_twice_or_taking_it_away_is_no_matter(model: Any) -> None:
    decoder = Decoder(model, rank=16)
    bare = predict(decoder, model)[0]
    adapted = adapt(model)
    decoder.read_adapter()
    first = predict(decoder, adapted)[0]
    decoder.read_adapter()
    assert torch.equal(predict(decoder, adapted)[0], first)
    assert torch.allclose(predict(decoder, adapted)[1], first, atol=1e-4)  # peft's matrices are views by now
    restored = adapted.unload()
    decoder.read_adapter()
    assert torch.equal(predict(decoder, restored)[0], bare)


def test_its_numbers(model: Any) -> None:
    decoder = Decoder(model, rank=16)
    assert (decoder.kv_heads, decoder.width, decoder.vocabulary) == (2, 16, 259)
    assert decoder.bytes_per_token == 2 * 2 * 2 * 16 * 4
