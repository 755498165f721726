"""GGUF: names, order of rows, vocabulary, and what can't be written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

gguf = pytest.importorskip("gguf")

from training.export.gguf import write_base, write_lora  # noqa: E402  # needs the package
from training.model.base import load_tokenizer, resolve_base  # noqa: E402  # the same
from userbot.domain.errors import ConfigError  # noqa: E402  # the same
from userbot.store.adapters import AdapterShelf  # noqa: E402  # the same


def _read(path: Path) -> tuple[Any, dict[str, np.ndarray[Any, Any]]]:
    reader = gguf.GGUFReader(path)
    return reader, {tensor.name: tensor.data for tensor in reader.tensors}


def _config(base: Path) -> dict[str, Any]:
    config: dict[str, Any] = json.loads((base / "config.json").read_text())
    return config


def _pair(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Interleave the two halves of each head, row by row, as llama.cpp has them."""
    rows = []
    for head in weight.chunk(heads):
        first, second = head.chunk(2)
        for one, other in zip(first, second, strict=True):
            rows += [one, other]
    return torch.stack(rows)


def test_base_has_all_weights_under_their_names_with_rotary_rows_in_pairs(base: Path, tmp_path: Path) -> None:
    write_base(base, tmp_path / "b.gguf", tokenizer=_tokenizer(base), form="f32")
    _, tensors = _read(tmp_path / "b.gguf")
    source, config = load_file(base / "model.safetensors"), _config(base)
    kept = [name for name in source if not (name == "lm_head.weight" and config.get("tie_word_embeddings"))]
    assert len(tensors) == len(kept)
    query = source["model.layers.1.self_attn.q_proj.weight"].float()
    assert np.array_equal(tensors["blk.1.attn_q.weight"], _pair(query, config["num_attention_heads"]).numpy())
    key = source["model.layers.0.self_attn.k_proj.weight"].float()
    assert np.array_equal(tensors["blk.0.attn_k.weight"], _pair(key, config["num_key_value_heads"]).numpy())
    down = source["model.layers.0.mlp.down_proj.weight"].float()
    assert np.array_equal(tensors["blk.0.ffn_down.weight"], down.numpy())


def test_vocabulary_is_that_of_the_tokenizer(base: Path, tmp_path: Path) -> None:
    tokenizer = _tokenizer(base)
    write_base(base, tmp_path / "b.gguf", tokenizer=tokenizer)
    reader, _ = _read(tmp_path / "b.gguf")
    tokens = reader.fields["tokenizer.ggml.tokens"].contents()
    assert {token: tokens.index(token) for token in tokenizer.get_vocab()} == tokenizer.get_vocab()
    assert reader.fields["tokenizer.ggml.eos_token_id"].contents() == tokenizer.eos_token_id
    types = reader.fields["tokenizer.ggml.token_type"].contents()
    assert types[tokenizer.eos_token_id] == int(gguf.TokenType.CONTROL)


@pytest.mark.parametrize("form", ["f16", "q8_0"])
def test_smaller_forms_keep_the_weights_nearly(base: Path, tmp_path: Path, form: str) -> None:
    write_base(base, tmp_path / "b.gguf", tokenizer=_tokenizer(base), form=form)
    reader, _ = _read(tmp_path / "b.gguf")
    tensor = next(one for one in reader.tensors if one.name == "blk.0.ffn_down.weight")
    expected = load_file(base / "model.safetensors")["model.layers.0.mlp.down_proj.weight"].float().numpy()
    read = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
    assert np.abs(read - expected).max() < 0.01 * np.abs(expected).max()


def test_adapter_has_both_halves_and_its_scale(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    write_lora(shelf.path("one"), _config(base), tmp_path / "a.gguf")
    reader, tensors = _read(tmp_path / "a.gguf")
    source, config = load_file(shelf.path("one") / "adapter_model.safetensors"), _config(base)
    assert len(tensors) == len(source)
    assert reader.fields["adapter.lora.alpha"].contents() == 32.0
    prefix = "base_model.model.model.layers.0.self_attn.q_proj"
    assert np.array_equal(tensors["blk.0.attn_q.weight.lora_a"], source[f"{prefix}.lora_A.weight"].float().numpy())
    expected = _pair(source[f"{prefix}.lora_B.weight"].float(), config["num_attention_heads"])
    assert np.array_equal(tensors["blk.0.attn_q.weight.lora_b"], expected.numpy())


def test_kind_that_is_not_known_is_refused_with_the_way_out(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    config = {**_config(base), "model_type": "mamba"}
    with pytest.raises(ConfigError, match=r"'mamba' can't be written.*convert_lora_to_gguf"):
        write_lora(shelf.path("one"), config, tmp_path / "a.gguf")
    assert list(tmp_path.iterdir()) == []


def test_adapter_that_is_no_plain_lora_is_refused(base: Path, shelf: AdapterShelf, tmp_path: Path) -> None:
    folder = tmp_path / "odd"
    folder.mkdir()
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 1, "use_dora": True}))
    save_file({"x": torch.zeros(1)}, folder / "adapter_model.safetensors")
    with pytest.raises(ConfigError, match="no plain LoRA"):
        write_lora(folder, _config(base), tmp_path / "a.gguf")
    (folder / "adapter_config.json").write_text(json.dumps({"lora_alpha": 1}))
    with pytest.raises(ConfigError, match="holds x, which is no part"):
        write_lora(folder, _config(base), tmp_path / "a.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["odd"]


def _tokenizer(base: Path) -> Any:
    return load_tokenizer(resolve_base(str(base), models_dir=base))
