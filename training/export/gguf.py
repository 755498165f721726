"""GGUF, llama.cpp's format: a base model with its vocabulary, and a LoRA adapter for it.

Both are written by the `gguf` package of the llama.cpp project, which knows the names that each architecture's tensors
have there. Source: the format's description (ggml's docs/gguf.md), and how llama.cpp's own converters lay rotary halves
out: rows of the query and key projections that Hugging Face keeps as two halves of a head stand there in pairs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from gguf.tensor_mapping import TensorNameMap, get_tensor_name_map
from safetensors import safe_open

from userbot.domain.errors import ConfigError

ARCHITECTURES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
    "qwen3": gguf.MODEL_ARCH.QWEN3,
}
"""By `model_type` of a base's configuration. Qwen's rotary halves are laid out as Hugging Face's."""

PAIRED = ("q_proj", "k_proj")

FORMATS = {
    "f32": gguf.LlamaFileType.ALL_F32,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
}
"""How matrices are stored; vectors are always float32."""


def write_base(source: Path, target: Path, *, tokenizer: Any, form: str = "f16") -> None:
    """Write a base model as GGUF. Its vocabulary reads token ids back; texts are encoded by the base's own tokenizer.

    Args:
        source: Folder of the base: `config.json` and safetensors.
        target: The file; it appears when it is complete.
        tokenizer: The base's, of transformers.
        form: One of `FORMATS`.

    Raises:
        ConfigError: The architecture is not known here, or the base has no safetensors.
    """
    config = json.loads((source / "config.json").read_text("utf-8"))
    arch = _find_arch(config)
    names = get_tensor_name_map(arch, int(config["num_hidden_layers"]))
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    writer = gguf.GGUFWriter(draft, gguf.MODEL_ARCH_NAMES[arch])
    try:
        _add_dims(writer, config)
        writer.add_file_type(FORMATS[form])
        _add_vocabulary(writer, tokenizer)
        for name, tensor in _read_weights(source):
            if name == "lm_head.weight" and config.get("tie_word_embeddings"):
                continue
            array = _arrange(name, tensor.float(), config, arch).numpy()
            _add_tensor(writer, _rename(names, name), array, form if array.ndim > 1 else "f32")
        _finish(writer, draft, target)
    finally:
        draft.unlink(missing_ok=True)


def write_lora(adapter: Path, base_config: Mapping[str, Any], target: Path) -> None:
    """Write an adapter as GGUF, for a base with this configuration.

    Args:
        adapter: Folder that peft saved an adapter to.
        base_config: Content of the base's `config.json`.
        target: The file; it appears when it is complete.

    Raises:
        ConfigError: The architecture is not known here, or the adapter is no plain LoRA.
    """
    arch = _find_arch(base_config)
    names = get_tensor_name_map(arch, int(base_config["num_hidden_layers"]))
    lora = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    if lora.get("use_dora") or lora.get("use_rslora") or lora.get("alpha_pattern") or lora.get("rank_pattern"):
        raise ConfigError(f"The adapter {adapter.name} is no plain LoRA, and llama.cpp knows no other kind.")
    draft = target.with_name(f".{target.name}.{os.getpid()}")
    writer = gguf.GGUFWriter(draft, gguf.MODEL_ARCH_NAMES[arch])
    try:
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, float(lora["lora_alpha"]))
        for key, tensor in _read_weights(adapter):
            name, part = _split_lora_name(key, adapter.name)
            array = tensor.float()
            if part == "lora_b":
                array = _arrange(name, array, base_config, arch)
            writer.add_tensor(f"{_rename(names, name)}.{part}", np.ascontiguousarray(array.numpy()))
        _finish(writer, draft, target)
    finally:
        draft.unlink(missing_ok=True)


def _find_arch(config: Mapping[str, Any]) -> gguf.MODEL_ARCH:
    kind = str(config.get("model_type"))
    if kind not in ARCHITECTURES:
        raise ConfigError(
            f"A base of the kind {kind!r} can't be written as GGUF here; {', '.join(ARCHITECTURES)} can. Convert the "
            f"base with llama.cpp's convert_hf_to_gguf.py and the adapter with its convert_lora_to_gguf.py."
        )
    return ARCHITECTURES[kind]


def _add_dims(writer: gguf.GGUFWriter, config: Mapping[str, Any]) -> None:
    heads, hidden = int(config["num_attention_heads"]), int(config["hidden_size"])
    head_dim = int(config.get("head_dim") or hidden // heads)
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    if rope.get("rope_type", rope.get("type", "default")) != "default":
        raise ConfigError(
            f"The base scales its positions by {rope.get('rope_type')!r}, which is not written here. Convert it with "
            f"llama.cpp's convert_hf_to_gguf.py."
        )
    writer.add_context_length(int(config["max_position_embeddings"]))
    writer.add_embedding_length(hidden)
    writer.add_block_count(int(config["num_hidden_layers"]))
    writer.add_feed_forward_length(int(config["intermediate_size"]))
    writer.add_head_count(heads)
    writer.add_head_count_kv(int(config.get("num_key_value_heads") or heads))
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(float(rope.get("rope_theta") or config.get("rope_theta") or 10_000.0))
    writer.add_layer_norm_rms_eps(float(config["rms_norm_eps"]))
    writer.add_vocab_size(int(config["vocab_size"]))


def _add_vocabulary(writer: gguf.GGUFWriter, tokenizer: Any) -> None:
    model = json.loads(tokenizer.backend_tokenizer.to_str())
    by_id = {number: token for token, number in tokenizer.get_vocab().items()}
    added = {entry["id"]: entry for entry in model["added_tokens"]}
    # Byte-level tokens are written in the letters of GPT-2; other ones as SentencePiece's, with ▁ for a blank.
    byte_level = "ByteLevel" in json.dumps(model.get("decoder") or {})
    tokens, types = [], []
    for number in range(max(by_id) + 1):
        token = by_id.get(number)
        tokens.append(token if token is not None else f"[unused{number}]")
        types.append(_choose_type(token, added.get(number), byte_level=byte_level))
    writer.add_tokenizer_model("gpt2" if byte_level else "llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    if byte_level:
        merges = model["model"]["merges"]
        writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in merges])
    else:
        writer.add_token_scores([-float(number) for number in range(len(tokens))])
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.eos_token_id is not None:
        writer.add_eos_token_id(tokenizer.eos_token_id)
    writer.add_add_bos_token(False)


def _choose_type(token: str | None, added: Mapping[str, Any] | None, *, byte_level: bool) -> int:
    if token is None:
        return int(gguf.TokenType.UNUSED)
    if added is not None:
        return int(gguf.TokenType.CONTROL if added["special"] else gguf.TokenType.USER_DEFINED)
    if not byte_level and len(token) == 6 and token.startswith("<0x"):
        return int(gguf.TokenType.BYTE)
    return int(gguf.TokenType.NORMAL)


def _read_weights(folder: Path) -> Iterator[tuple[str, torch.Tensor]]:
    """Yield the tensors of a folder's safetensors, one in memory at a time."""
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise ConfigError(f"{folder} holds no safetensors, and other forms of weights are not read.")
    for path in files:
        with safe_open(path, framework="pt") as weights:
            for name in weights.keys():  # noqa: SIM118  # not a mapping
                yield name, weights.get_tensor(name)


def _rename(names: TensorNameMap, name: str) -> str:
    renamed = names.get_name(name, try_suffixes=(".weight", ".bias"))
    if renamed is None:
        raise ConfigError(f"The tensor {name} has no place in GGUF, so this base or adapter can't be written.")
    return renamed


def _split_lora_name(key: str, adapter: str) -> tuple[str, str]:
    """Return the name of the base's tensor, and which half of the product this is."""
    name = key.removeprefix("base_model.model.")
    for half, part in ((".lora_A.weight", "lora_a"), (".lora_B.weight", "lora_b")):
        if name.endswith(half):
            return name.removesuffix(half) + ".weight", part
    raise ConfigError(f"The adapter {adapter} holds {key}, which is no part of a LoRA that llama.cpp knows.")


def _arrange(name: str, tensor: torch.Tensor, config: Mapping[str, Any], arch: gguf.MODEL_ARCH) -> torch.Tensor:
    """Put the rows of query and key projections in llama.cpp's order: (head, half, pair) to (head, pair, half)."""
    layer = name.rsplit(".", 2)[-2]
    if arch is not gguf.MODEL_ARCH.LLAMA or layer not in PAIRED:
        return tensor
    heads = int(config["num_attention_heads"])
    if layer == "k_proj":
        heads = int(config.get("num_key_value_heads") or heads)
    rows = tensor.shape[0]
    split = tensor.reshape(heads, 2, rows // heads // 2, *tensor.shape[1:])
    return split.swapaxes(1, 2).reshape(tensor.shape).contiguous()


def _add_tensor(writer: gguf.GGUFWriter, name: str, array: np.ndarray[Any, Any], form: str) -> None:
    if form == "q8_0" and array.shape[-1] % gguf.GGML_QUANT_SIZES[gguf.GGMLQuantizationType.Q8_0][0] == 0:
        kind = gguf.GGMLQuantizationType.Q8_0
        writer.add_tensor(name, gguf.quants.quantize(array, kind), raw_dtype=kind)
        return
    writer.add_tensor(name, np.ascontiguousarray(array.astype(np.float32 if form == "f32" else np.float16)))


def _finish(writer: gguf.GGUFWriter, draft: Path, target: Path) -> None:
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    draft.chmod(0o600)
    draft.replace(target)
