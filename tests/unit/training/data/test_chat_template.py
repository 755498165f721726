"""Template parts: what chat templates of several families, and the plain text format, put around turns."""

from __future__ import annotations

import re
from typing import Any

import example_tokenizers as tokenizers
import pytest

from training.data.chat_template import TemplateParts, make_text_parts, read_template_parts
from training.data.render import Renderer
from userbot.domain.errors import ConfigError

SPECIALS = re.compile("|".join(map(re.escape, tokenizers.SPECIALS)))
NO_END = "^The base model's tokenizer names no end-of-text token, so the clone could never learn to stop\\. "


def read(template: str) -> TemplateParts:
    return read_template_parts(tokenizers.byte_level(template), SPECIALS)


def write(parts: TemplateParts, *texts: str) -> str:
    """Write a conversation that the contact begins and the owner ends."""
    written = parts.head + parts.opening + texts[0]
    for number, text in enumerate(texts[1:], start=1):
        before, after = (parts.to_owner + parts.lead, parts.end) if number % 2 else (parts.to_contact, "")
        written += before + text + after
    return written


def test_chatml_parts_are_those_of_the_template() -> None:
    assert read(tokenizers.CHATML) == TemplateParts(
        head="",
        opening="<|im_start|>user\n",
        to_owner="<|im_end|>\n<|im_start|>assistant\n",
        lead="",
        end="<|im_end|>",
        end_token="<|im_end|>",
        to_contact="\n<|im_start|>user\n",
    )


def test_a_space_that_the_template_puts_before_the_owner_s_words_is_theirs_to_generate() -> None:
    parts = read(tokenizers.MISTRAL)
    assert (parts.to_owner, parts.lead, parts.end_token) == ("[/INST]", " ", "</s>")


@pytest.mark.parametrize("template", [tokenizers.CHATML, tokenizers.MISTRAL, tokenizers.SPACED, tokenizers.DATED])
def test_parts_put_together_are_the_template_s_own_rendering(template: str) -> None:
    texts = ["hi", "hey", "how are you?", "ok"]
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
    rendered = tokenizers.byte_level(template).apply_chat_template(messages, tokenize=False, date_string="26 Jul 2024")
    assert write(read(template), *texts) == rendered.rstrip("\n")


def test_template_without_end_token_gets_one() -> None:
    parts = read(tokenizers.ENDLESS)
    assert parts.end == parts.end_token == "</s>"
    text = write(parts, "hi", "hey", "how", "ok")
    assert text == "### Human: hi\n### Assistant: hey</s>\n### Human: how\n### Assistant: ok</s>"


def test_template_of_a_reasoning_model_is_used_in_the_form_of_past_turns() -> None:
    assert "<think>" not in write(read(tokenizers.THINKING), "hi", "hey", "how", "ok")


@pytest.mark.parametrize(
    ("template", "why"),
    [
        (tokenizers.POSITIONAL, "renders the turns of a long conversation unlike those of a short one"),
        (tokenizers.REFUSING, "fails on a conversation of user and assistant"),
        ("{{ messages[0]['content'] }}", "leaves turns out, or repeats them"),
    ],
)
def test_template_that_can_not_be_followed_is_refused(template: str, why: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Renderer(tokenizers.byte_level(template))
    assert str(raised.value) == (
        f"The base model's chat template {why}. Use plain text instead: --set text_format=text"
    )


@pytest.mark.parametrize("tokenizer", [tokenizers.byte_level(None), tokenizers.sentence_piece(None)])
def test_text_parts_are_role_marks_and_the_end_of_text_token(tokenizer: Any) -> None:
    parts = make_text_parts(tokenizer)
    assert parts.head == ""
    assert write(parts, "hi", "hey", "how", "ok") == "User: hi\nClone: hey</s>\nUser: how\nClone: ok</s>"
    assert parts.owner_first == "Clone:"


def test_text_begins_with_the_token_that_the_tokenizer_begins_with() -> None:
    from tokenizers.processors import TemplateProcessing

    base = tokenizers.byte_level(None)
    backend = type(base.backend_tokenizer).from_str(base.backend_tokenizer.to_str())
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", base.bos_token_id)])
    assert make_text_parts(tokenizers.wrap(backend, None)).head == "<s>"


@pytest.mark.parametrize("template", [None, tokenizers.ENDLESS])
def test_tokenizer_without_end_token_is_refused(template: str | None) -> None:
    plain = tokenizers.wrap(tokenizers.byte_level().backend_tokenizer, template, eos_token=None)
    with pytest.raises(ConfigError, match=NO_END):
        Renderer(plain)
