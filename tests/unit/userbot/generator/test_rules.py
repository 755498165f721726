"""Rules for prompts: read from the manifest of an adapter, once for all of serving."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from adapter_shelf import make_shelf

from userbot.domain.errors import AdapterDamagedError, NoAdapterError
from userbot.domain.messages import Turn
from userbot.domain.prompt_rules import DEFAULT_RULES, PromptRules
from userbot.generator import Prompt
from userbot.generator.rules import apply_rules, read_rules


def test_rules_are_the_ones_in_the_manifest(tmp_path: Path) -> None:
    shelf = make_shelf(tmp_path, a1={"session_gap_h": 1.5, "system_line": False, "text_format": "text"})
    assert read_rules(shelf, "a1") == PromptRules(
        session_gap=timedelta(minutes=90), system_line=False, text_format="text"
    )


def test_bare_base_has_the_defaults(tmp_path: Path) -> None:
    assert read_rules(make_shelf(tmp_path), None) == DEFAULT_RULES


def test_adapter_that_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(NoAdapterError):
        read_rules(make_shelf(tmp_path), "a1")


@pytest.mark.parametrize("gap", ["long", [], 1e300])
def test_rules_that_make_no_sense_are_damage(tmp_path: Path, gap: object) -> None:
    with pytest.raises(AdapterDamagedError, match="Take another adapter with `clone adapters use ID`"):
        read_rules(make_shelf(tmp_path, a1={"session_gap_h": gap}), "a1")


def test_system_line_is_left_out_where_training_had_none() -> None:
    prompt = Prompt(turns=(Turn(False, ("hi",)),), system="Chat with Vera.")
    assert apply_rules(DEFAULT_RULES, prompt) == prompt
    assert apply_rules(PromptRules(system_line=False), prompt) == Prompt(turns=prompt.turns)
