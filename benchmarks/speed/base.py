"""A base model of random weights, and samples that it can read."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import MistralConfig, PreTrainedTokenizerFast


def write_base(folder: Path, shape: dict[str, int]) -> None:
    """Write a checkpoint of random weights, a layer at a time, and a tokenizer of numbered words."""
    folder.mkdir(parents=True)
    MistralConfig(
        **shape,
        max_position_embeddings=4096,
        sliding_window=None,
        tie_word_embeddings=False,
        architectures=["MistralForCausalLM"],
        dtype="bfloat16",
    ).save_pretrained(folder)
    _write_weights(folder, shape)
    _write_tokenizer(folder, shape["vocab_size"])


def _write_weights(folder: Path, shape: dict[str, int]) -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    generator = torch.Generator(device).manual_seed(0)
    hidden, inner = shape["hidden_size"], shape["intermediate_size"]
    kv_width = count_kv_width(shape)

    def draw(rows: int, columns: int) -> torch.Tensor:
        return (torch.randn(rows, columns, generator=generator, device=device) * 0.02).bfloat16().cpu()

    index: dict[str, str] = {}

    def save(name: str, tensors: dict[str, torch.Tensor]) -> None:
        save_file(tensors, folder / name, metadata={"format": "pt"})
        index.update(dict.fromkeys(tensors, name))

    for layer in range(shape["num_hidden_layers"]):
        shapes = {
            "self_attn.q_proj": (hidden, hidden),
            "self_attn.k_proj": (kv_width, hidden),
            "self_attn.v_proj": (kv_width, hidden),
            "self_attn.o_proj": (hidden, hidden),
            "mlp.gate_proj": (inner, hidden),
            "mlp.up_proj": (inner, hidden),
            "mlp.down_proj": (hidden, inner),
        }
        tensors = {f"model.layers.{layer}.{name}.weight": draw(*size) for name, size in shapes.items()}
        for norm in ("input_layernorm", "post_attention_layernorm"):
            tensors[f"model.layers.{layer}.{norm}.weight"] = torch.ones(hidden).bfloat16()
        save(f"layer-{layer}.safetensors", tensors)
    rest = {"model.embed_tokens.weight": draw(shape["vocab_size"], hidden)}
    rest |= {"lm_head.weight": draw(shape["vocab_size"], hidden), "model.norm.weight": torch.ones(hidden).bfloat16()}
    save("rest.safetensors", rest)
    listing = {"metadata": {"total_size": 0}, "weight_map": index}
    (folder / "model.safetensors.index.json").write_text(json.dumps(listing))


def _write_tokenizer(folder: Path, vocabulary: int) -> None:
    words = {"<unk>": 0, "<s>": 1, "</s>": 2} | {f"w{number}": number for number in range(3, vocabulary)}
    special = dict(zip(("unk_token", "bos_token", "eos_token", "pad_token"), [*[*words][:3], "</s>"], strict=True))
    tokenizer = Tokenizer(models.WordLevel(words, unk_token=next(iter(words))))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special).save_pretrained(folder)


def invent_samples(count: int, vocabulary: int) -> list[list[int]]:
    """Return token lists of the lengths that short chats have."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(math.log(60.0), 0.6, count).astype(int), 8, 256)
    return [np.minimum((rng.pareto(1.1, n) * 3).astype(int) + 3, vocabulary - 1).tolist() for n in lengths]


def count_kv_width(shape: dict[str, int]) -> int:
    """Return the width of keys and values."""
    return shape["hidden_size"] // shape["num_attention_heads"] * shape["num_key_value_heads"]


def count_flop(shape: dict[str, int], adapter: int, lengths: np.ndarray[Any, Any]) -> float:
    """Return the least work that training on some samples takes."""
    hidden, layers = shape["hidden_size"], shape["num_hidden_layers"]
    weights = layers * (2 * hidden * (hidden + count_kv_width(shape)) + 3 * hidden * shape["intermediate_size"])
    weights += hidden * shape["vocab_size"]
    attention = 6.0 * hidden * layers * float((lengths.astype(float) ** 2).sum())
    return float(lengths.sum()) * (4 * weights + 6 * adapter) + attention
