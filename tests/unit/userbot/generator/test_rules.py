"""Rules for prompts: read from the manifest of an adapter, once for all of serving."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from adapter_shelf import make_shelf

from userbot.domain.errors import AdapterDamagedError, NoAdapterError
from userbot.domain.messages import Turn
from userbot.domain.prompt_rules import DEFAULT_RULES, Masking, PromptRules
from userbot.generator import Prompt
from userbot.generator.rules import apply_rules, read_rules
from userbot.store.adapters import AdapterShelf, Manifest


def test_rules_are_the_ones_in_the_manifest(tmp_path: Path) -> None:
    shelf = make_shelf(tmp_path, a1={"session_gap_h": 1.5, "system_line": False, "text_format": "text"})
    assert read_rules(shelf, "a1") == PromptRules(
        session_gap=timedelta(minutes=90),
        system_line=False,
        text_format="text",
        names_at=datetime(2026, 1, 5, 12, tzinfo=UTC),
    )


@pytest.mark.parametrize("told", ["2026-01-04T09:00:00+00:00", "2026-01-04T09:00:00", "2026-01-04T10:00:00+01:00"])
def test_names_are_those_of_the_time_when_the_samples_were_written(tmp_path: Path, told: str) -> None:
    shelf = AdapterShelf(tmp_path)
    data = {"names_at": told}
    with shelf.write(Manifest(id="a1", base="tiny", created_at="2026-01-05T12:00:00+00:00", data=data)) as folder:
        (folder / "adapter_model.safetensors").touch()
    assert read_rules(shelf, "a1").names_at == datetime(2026, 1, 4, 9, tzinfo=UTC)


def test_manifest_without_a_time_means_the_names_of_now(tmp_path: Path) -> None:
    shelf = AdapterShelf(tmp_path)
    with shelf.write(Manifest(id="a1", base="tiny", created_at="")) as folder:
        (folder / "adapter_model.safetensors").touch()
    assert read_rules(shelf, "a1").names_at is None


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


def test_prompt_is_masked_where_training_was_and_not_where_it_was_not() -> None:
    prompt = Prompt(turns=(Turn(False, ("мой номер 89161234567",)),), system=None)
    assert apply_rules(PromptRules(masking=Masking()), prompt).turns[0].bubbles == ("мой номер [phone]",)
    assert apply_rules(PromptRules(), prompt) == prompt
