"""Rules for prompts: the defaults of training, and what a manifest says otherwise."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from training.config import make_config
from userbot.domain.prompt_rules import DEFAULT_RULES, CustomPattern, Masking, PromptRules


def test_defaults_are_those_of_training() -> None:
    config = make_config().model_dump(mode="json")
    assert PromptRules.read(config, text_format="auto") == replace(DEFAULT_RULES, masking=Masking())
    assert PromptRules.read({}, text_format="auto") == DEFAULT_RULES


def test_rules_are_read_from_a_training_configuration() -> None:
    config = make_config("default", {"data.session_gap_h": 1, "data.system_line": False}).model_dump(mode="json")
    assert PromptRules.read(config, text_format="text") == PromptRules(
        session_gap=timedelta(hours=1), system_line=False, text_format="text", masking=Masking()
    )


def test_adapter_from_before_there_was_masking_has_none() -> None:
    assert PromptRules.read({"data": {"session_gap_h": 6.0}}, text_format="chat").masking is None


def test_masking_has_the_patterns_that_training_had() -> None:
    config = make_config("default", {"data.mask_names": True, "data.patterns": {"site": "hut"}}).model_dump(mode="json")
    masking = PromptRules.read(config, text_format="chat").masking
    assert masking == Masking(names=True, patterns=(CustomPattern("site", "hut"),))


def test_gap_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError):
        PromptRules.read({"data": {"session_gap_h": "long"}}, text_format="chat")
