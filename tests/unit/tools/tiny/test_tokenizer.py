"""The tokenizer of the embedded base, trained on a few lines."""

from __future__ import annotations

from typing import Any

import pytest

from tools.tiny.corpus import Corpus, Dialogue, render_dialogue
from tools.tiny.tokenizer import MAX_POSITIONS, iterate_text, train_tokenizer

DIALOGUES: dict[str, list[Dialogue]] = {
    "en": [("Hello, how are you?", "I am fine.")] * 5,
    "ru": [("Привет, как дела?", "Все хорошо.")] * 5,
}
CORPUS = Corpus(DIALOGUES, {"en": [], "ru": []})


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return train_tokenizer(CORPUS, 400)


def test_it_has_the_vocabulary_asked_for(tokenizer: Any) -> None:
    assert len(tokenizer) == 400
    assert tokenizer.model_max_length == MAX_POSITIONS


def test_any_text_survives(tokenizer: Any) -> None:
    for text in ("Hello, how are you?", "日本 ∑ 😀", "a  b\n\nc"):
        assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_its_chat_template_renders_dialogues_as_pretraining_does(tokenizer: Any) -> None:
    dialogue = ("hi", "hello", "bye", "see you")
    messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(dialogue)]
    assert tokenizer.apply_chat_template(messages, tokenize=False) == render_dialogue(dialogue)


def test_emoticons_earn_tokens_of_their_own(tokenizer: Any) -> None:
    assert len(tokenizer(" 😂", add_special_tokens=False)["input_ids"]) == 1


def test_each_turn_is_read_as_written_and_as_typed_in_a_chat() -> None:
    texts = list(iterate_text(CORPUS))
    assert texts.count(" Hello, how are you?") >= 5
    assert sum(text.lower().startswith(" hello") for text in texts) == 10
