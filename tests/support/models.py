"""Small real base models, built on the spot: ordinary Hugging Face folders with random weights and a byte tokenizer."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.data.tokens import Encoded, flatten

if TYPE_CHECKING:
    import torch

    from training.model.causal_lm import CausalLM

LENGTHS = (23, 7, 40, 12, 31)
"""Tokens of the samples that gradients are compared on."""
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }}[/INST]"
    "{% elif m['role'] == 'assistant' %} {{ m['content'] }}{{ eos_token }}{% else %}{{ m['content'] }}\n\n{% endif %}"
    "{% endfor %}"
)


def make_tokenizer(*, template: bool = True) -> Any:
    """Build a byte-level tokenizer without merges: one token a byte."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<unk>": 0, "<s>": 1, "</s>": 2}
    words.update({letter: 3 + i for i, letter in enumerate(sorted(pre_tokenizers.ByteLevel.alphabet()))})
    tokenizer = Tokenizer(models.BPE(vocab=words, merges=[], unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    made = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")
    if template:
        made.chat_template = CHAT_TEMPLATE
    return made


def make_base(folder: Path, *, layers: int = 2, hidden: int = 64, seed: int = 0, template: bool = True) -> Path:
    """Write a Mistral of random weights, with grouped-query heads and untied embeddings.

    Args:
        folder: Where to; must not exist.
        layers: Decoder layers; 0 leaves nothing to quantise.
        hidden: Width; a multiple of 64, NF4's block.
        seed: Of the weights.
        template: Give the tokenizer a chat template.
    """
    import torch
    from transformers import MistralConfig, MistralForCausalLM

    torch.set_num_threads(1)  # matrices this small lose by a second thread, most of all on a device that is busy
    tokenizer = make_tokenizer(template=template)
    config = MistralConfig(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 2,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=1024,
        initializer_range=0.2,  # large enough for attention to matter in a comparison
        bos_token_id=1,
        eos_token_id=2,
    )
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = MistralForCausalLM(config)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def invent_samples(lengths: Sequence[int], *, seed: int = 0, supervised_share: float = 0.4) -> list[Encoded]:
    """Make samples of random tokens; the last token of each is supervised, and some of the others."""
    rng = np.random.default_rng(seed)
    return [
        Encoded(
            rng.integers(3, 250, size=length).tolist(),
            [*(rng.random(length - 1) < supervised_share).astype(int).tolist(), 1],
        )
        for length in lengths
    ]


def load_causal_lm(
    folder: Path,
    *,
    quantised: bool = False,
    dequantised: bool = False,
    dtype: str = "float32",
    attention: str = "per_sample",
    dropout: float = 0.0,
) -> CausalLM:
    """Load a base from a folder and put a trainable adapter on it whose lora_B matrices are not zero."""
    import torch

    from training.config import make_config
    from training.fast.attention import name_attention, register_attention
    from training.model.base import dequantise_weights, load_base, resolve_base
    from training.model.causal_lm import make_causal_lm
    from training.model.lora import attach_lora

    register_attention()
    found = resolve_base(str(folder), models_dir=folder)
    model, _ = load_base(found, quantised=quantised, compute_dtype=getattr(torch, dtype), device="cpu")
    if dequantised:
        model = dequantise_weights(model, getattr(torch, dtype))
    lora = make_config("default", {"lora": {"r": 4, "alpha": 8, "dropout": dropout}}).lora
    adapted, _ = attach_lora(model, lora, seed=1)
    generator = torch.Generator().manual_seed(2)
    for name, value in adapted.named_parameters():
        if "lora_B" in name:
            value.data = torch.randn(value.shape, generator=generator) * 0.05
    lm = make_causal_lm(adapted, dtype=getattr(torch, dtype), device="cpu")
    lm.model.set_attn_implementation(name_attention(attention))
    return lm


def run_packs(
    lm: CausalLM,
    packs: Sequence[Sequence[int]],
    *,
    lengths: Sequence[int] = LENGTHS,
    pad_to: int | None = None,
    loss_scale: float = 0.01,
) -> tuple[float, torch.Tensor]:
    """Run a forward and a backward pass for each pack of invented samples.

    Args:
        lm: The model.
        packs: Indices of the samples of each.
        lengths: Tokens of the samples.
        pad_to: Tokens of a packed sequence; None for as many as there are.
        loss_scale: Of what is differentiated.

    Returns:
        The summed loss, nats, and all gradients, flat.
    """
    from training.loop.loss import backward_pack
    from training.model.packed_sequence import pack

    tokens = flatten(invent_samples(lengths))
    lm.model.zero_grad()
    total = 0.0
    for samples in packs:
        packed = pack(tokens, np.array(samples), pad_to=pad_to, max_seqlen=max(lengths) if pad_to else None)
        total += float(backward_pack(lm, packed.to(lm.device), scale=lambda loss: loss * loss_scale))
    return total, collect_gradients(lm)


def collect_gradients(lm: CausalLM) -> torch.Tensor:
    """Return all gradients of a model, flat."""
    import torch

    return torch.cat([value.grad.flatten() for value in lm.model.parameters() if value.grad is not None])


def measure_error(result: torch.Tensor, expected: torch.Tensor) -> float:
    """Return the relative error of a tensor, by norm."""
    result, expected = (value.detach().double() for value in (result, expected))
    return float((result - expected).norm() / expected.norm())
