"""Token ids for a server: those of training's renderer, where the tokenizer is at hand."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import example_tokenizers as tokenizers
import pytest

from training.data.render import Renderer
from userbot.domain.messages import Turn
from userbot.generator import Prompt, PromptEncoder
from userbot.generator.prompt_encoder import TrainingEncoder, load_encoder

PROMPT = Prompt(turns=(Turn(False, ("hi", "you")), Turn(True, ("hey",)), Turn(False, ("tea?",))), system="With Vera.")


@pytest.mark.parametrize("text_format", ["chat", "text"])
def test_ids_are_those_of_training(text_format: str) -> None:
    renderer = Renderer(tokenizers.byte_level(), "text" if text_format == "text" else "chat")
    encoder: PromptEncoder = TrainingEncoder(renderer)
    whole = renderer.prompt(PROMPT.turns, system=PROMPT.system)
    assert encoder.encode(PROMPT, max_tokens=1000) == whole
    assert encoder.encode(PROMPT, max_tokens=len(whole) - 1) == renderer.prompt(PROMPT.turns[2:], system=PROMPT.system)
    assert encoder.stop_ids == renderer.stop_ids
    assert encoder.stop_texts == (("\nUser:", "\nClone:") if text_format == "text" else ())


def test_answer_ends_where_a_special_token_begins() -> None:
    assert TrainingEncoder(Renderer(tokenizers.byte_level())).parse("yes\nme<|im_end|>\n<|im_start|>x") == ("yes", "me")


def test_embedded_base_has_an_encoder(tmp_path: Path) -> None:
    encoder = load_encoder("tiny", "chat", models=tmp_path)
    assert encoder is not None
    assert len(encoder.encode(PROMPT, max_tokens=1000)) > 10


def test_base_that_is_not_at_hand_has_none_and_the_log_says_why(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert load_encoder(str(tmp_path / "missing"), "chat", models=tmp_path) is None
    assert "no token ids can be made for the model server: The base model folder" in caplog.text


def test_light_install_has_none_and_the_log_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "training.model.base", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)  # importing it fails, as where it is not installed
    with caplog.at_level(logging.INFO):
        assert load_encoder("tiny", "chat", models=tmp_path) is None
    assert "no token ids can be made for the model server: torch is not installed (extra `train`)" in caplog.text
