"""Small real base models, built on the spot: ordinary Hugging Face folders with random weights and a byte tokenizer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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
