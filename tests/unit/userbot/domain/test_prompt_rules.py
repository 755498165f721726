"""Rules for prompts: the defaults of training, and what a manifest says otherwise."""

from __future__ import annotations

from datetime import timedelta

import pytest

from training.config import make_config
from userbot.domain.prompt_rules import DEFAULT_RULES, PromptRules


def test_defaults_are_those_of_training() -> None:
    config = make_config().model_dump(mode="json")
    assert PromptRules.read(config, text_format="auto") == DEFAULT_RULES
    assert PromptRules.read({}, text_format="auto") == DEFAULT_RULES


def test_rules_are_read_from_a_training_configuration() -> None:
    config = make_config("default", {"data.session_gap_h": 1, "data.system_line": False}).model_dump(mode="json")
    assert PromptRules.read(config, text_format="text") == PromptRules(
        session_gap=timedelta(hours=1), system_line=False, text_format="text"
    )


def test_gap_that_is_no_number_is_refused() -> None:
    with pytest.raises(TypeError):
        PromptRules.read({"data": {"session_gap_h": "long"}}, text_format="chat")
