"""Small tokenizers of the shapes that base models have, trained on a few lines, with chat templates of our own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

LINES = [
    "Привет, как дела? Пойдем сегодня в кино?",
    "норм, кста я уже дома)))",
    "hello, how are you? I am well, thanks.",
    "User: hi\nClone: hey there\nUser: see you tomorrow\nClone: sure",
    "да да да нет нет ок ок haha lol 123 + . 😀 👍",
] * 20

# One shape each: Mistral's (a space leads, the end token follows), ChatML, Llama 2's, a thinking model's, dates, and
# one that ends a turn with a line break only.
MISTRAL = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }}[/INST]"
    "{% else %}{{ ' ' + m['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
SPACED = (
    "{% for m in messages %}{% if m['role'] == 'user' %}{{ bos_token }}[INST] {{ m['content'] }} [/INST]"
    "{% else %} {{ m['content'] }} {{ eos_token }}{% endif %}{% endfor %}"
)
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m['role'] }}\n"
    "{% if m['role'] == 'assistant' and loop.last %}<think>\n\n</think>\n\n{% endif %}"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
DATED = (
    "{% set day = date_string if date_string is defined else strftime_now('%f') %}"
    "<|im_start|>system\nToday is {{ day }}<|im_end|>\n" + CHATML
)
ENDLESS = (
    "{% for m in messages %}{{ '### Human: ' if m['role'] == 'user' else '### Assistant: ' }}{{ m['content'] }}\n"
    "{% endfor %}{% if add_generation_prompt %}### Assistant:{% endif %}"
)
VICUNA = (
    "{% for m in messages %}{% if m['role'] == 'user' %}USER: {{ m['content'] }}{% else %}"
    " ASSISTANT: {{ m['content'] }}{{ eos_token }}{% endif %}{% endfor %}"
    "{% if add_generation_prompt %} ASSISTANT:{% endif %}"
)
ALPACA = (
    "{% for m in messages %}{{ '### Instruction:\n' if m['role'] == 'user' else '### Response:\n' }}{{ m['content'] }}"
    "{{ '\n\n' if m['role'] == 'user' else eos_token + '\n\n' }}{% endfor %}"
    "{% if add_generation_prompt %}### Response:\n{% endif %}"
)
WORDS_ONLY = (
    "{% for m in messages %}{{ '\nguest\n' if m['role'] == 'user' else '\nhost\n' }}{{ m['content'] }}"
    "{% endfor %}{% if add_generation_prompt %}\nhost\n{% endif %}"
)
REFUSING = "{{ raise_exception('one message only') }}"
POSITIONAL = "{% for m in messages %}{% if loop.last %}<|im_start|>{% endif %}{{ m['content'] }}<|im_end|>{% endfor %}"

# The formats of four families, as their models were trained on them, for comparing what a server makes of messages.
MISTRAL_V03 = (
    "{% if messages[0]['role'] == 'system' %}{% set system = messages[0]['content'] %}{% set said = messages[1:] %}"
    "{% else %}{% set said = messages %}{% endif %}{{ bos_token }}{% for m in said %}"
    "{% if m['role'] == 'user' and loop.last and system is defined %}"
    "{{ '[INST] ' + system + '\n\n' + m['content'] + '[/INST]' }}"
    "{% elif m['role'] == 'user' %}{{ '[INST] ' + m['content'] + '[/INST]' }}"
    "{% else %}{{ ' ' + m['content'] | trim + eos_token }}{% endif %}{% endfor %}"
)
LLAMA_3 = (
    "{{ bos_token }}{% for m in messages %}"
    "{{ '<|start_header_id|>' + m['role'] + '<|end_header_id|>\n\n' + m['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}"
)
GEMMA = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system role') }}{% endif %}{{ bos_token }}"
    "{% for m in messages %}"
    "{% if (m['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('alternate') }}{% endif %}"
    "{{ '<start_of_turn>' + ('model' if m['role'] == 'assistant' else m['role']) + '\n' }}"
    "{{ m['content'] | trim + '<end_of_turn>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
)

SPECIALS = ["<s>", "</s>", "[INST]", "[/INST]", "<|im_start|>", "<|im_end|>"]


def wrap(
    tokenizer: Tokenizer, template: str | None, *, specials: Sequence[str] = SPECIALS, **named: Any
) -> PreTrainedTokenizerFast:
    """Make a tokenizer of transformers; the first two special tokens begin and end a text."""
    names = {"bos_token": specials[0], "eos_token": specials[1], **named}
    wrapped = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)
    wrapped.add_special_tokens({"additional_special_tokens": list(specials[2:])})
    wrapped.chat_template = template
    return wrapped


@cache
def byte_level(
    template: str | None = CHATML, *, prefix_space: bool = False, specials: tuple[str, ...] = tuple(SPECIALS)
) -> PreTrainedTokenizerFast:
    """Make a byte-level BPE tokenizer, as GPT-2, Llama 3 and Qwen have."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=prefix_space)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return wrap(tokenizer, template, specials=specials)


@cache
def sentence_piece(template: str | None = MISTRAL, *, scheme: str = "first") -> PreTrainedTokenizerFast:
    """Make a BPE tokenizer with `▁` for spaces and byte fallback, as Mistral 7B and Llama 2 have."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme=scheme, split=False)
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    known = ["<unk>", *SPECIALS]
    byte_tokens = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(vocab_size=900, special_tokens=[*known, *byte_tokens], show_progress=False)
    tokenizer.train_from_iterator(LINES, trainer)
    # Trained as special tokens only to get their ids; in a model they are ordinary ones, reached by fallback.
    state = json.loads(tokenizer.to_str())
    state["added_tokens"] = [token for token in state["added_tokens"] if token["content"] in known]
    tokenizer = Tokenizer.from_str(json.dumps(state))
    return wrap(tokenizer, template, unk_token="<unk>")


@cache
def unigram(template: str | None = None) -> PreTrainedTokenizerFast:
    """Make a unigram tokenizer with a normaliser that rewrites text, as T5 and Gemma's relatives have."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=400, special_tokens=["<unk>", *SPECIALS], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(LINES, trainer)
    return wrap(tokenizer, template, unk_token="<unk>")


@cache
def stripping(template: str | None = CHATML) -> PreTrainedTokenizerFast:
    """Make a tokenizer that drops accents, format characters and case, and matches added tokens after that."""
    tokenizer = Tokenizer.from_str(byte_level(None).backend_tokenizer.to_str())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKD(),
            normalizers.StripAccents(),
            normalizers.Lowercase(),
            *(normalizers.Replace(one, "") for one in "\u200b\u2060"),
        ]
    )
    wrapped = wrap(tokenizer, template)
    wrapped.add_tokens([AddedToken(text, normalized=True) for text in ("<tool_call>", "<|USER|>", "gpt4o")])
    return wrapped


@cache
def greedy_border() -> PreTrainedTokenizerFast:
    """Make a tokenizer that joins the colon of a role mark with the space after it into one token."""
    letters = sorted(set("\n:User Cloneabc…") | {"<unk>"})
    vocabulary = {letter: i for i, letter in enumerate([*letters, ": "])}
    tokenizer = Tokenizer(models.BPE(vocabulary, [(":", " ")], unk_token="<unk>"))
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens(SPECIALS)
    return wrap(tokenizer, None, unk_token="<unk>")


FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "Mistral v0.3": (MISTRAL_V03, ("<s>", "</s>", "[INST]", "[/INST]", "[TOOL_CALLS]", "[control_8]")),
    "ChatML": (CHATML, ("<|endoftext|>", "<|im_end|>", "<|im_start|>")),
    "Llama 3": (
        LLAMA_3,
        ("<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"),
    ),
    "Gemma": (GEMMA, ("<bos>", "<eos>", "<start_of_turn>", "<end_of_turn>")),
}
"""Chat template and special tokens by family."""


def family(name: str) -> PreTrainedTokenizerFast:
    """Make a small tokenizer with the chat template and the special tokens of a family."""
    template, specials = FAMILIES[name]
    return byte_level(template, specials=specials)


def shelf() -> dict[str, PreTrainedTokenizerFast]:
    """Return one tokenizer a shape, by name."""
    return {
        "byte-level, ChatML": byte_level(),
        "byte-level, thinking": byte_level(THINKING),
        "byte-level, dated": byte_level(DATED),
        "byte-level, no end token": byte_level(ENDLESS),
        "byte-level, Vicuna": byte_level(VICUNA),
        "byte-level, Alpaca": byte_level(ALPACA),
        "byte-level, no end token, words only": byte_level(WORDS_ONLY),
        "stripping, ChatML": stripping(),
        "stripping, Vicuna": stripping(VICUNA),
        "byte-level, prefix space, text": byte_level(None, prefix_space=True),
        "sentencepiece, Mistral": sentence_piece(),
        "sentencepiece, Mistral, always": sentence_piece(scheme="always"),
        "sentencepiece, Llama 2": sentence_piece(SPACED),
        "sentencepiece, text": sentence_piece(None),
        "unigram, text": unigram(),
        "unigram, ChatML": unigram(CHATML),
        "greedy border, text": greedy_border(),
    }
