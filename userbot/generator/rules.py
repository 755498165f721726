"""The active adapter's rules for prompts, from its manifest: the one place that serving reads them from."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from userbot.domain.errors import AdapterDamagedError
from userbot.domain.prompt_rules import DEFAULT_RULES, PromptRules
from userbot.generator import Prompt
from userbot.store.adapters import AdapterShelf


def read_rules(shelf: AdapterShelf, adapter_id: str | None) -> PromptRules:
    """Return the rules that an adapter was trained by.

    Args:
        shelf: Where adapters are.
        adapter_id: Its id; None for the bare base, which has the defaults.

    Raises:
        NoAdapterError: There is no adapter of that id.
        AdapterDamagedError: Its manifest holds rules that make no sense.
    """
    if adapter_id is None:
        return DEFAULT_RULES
    manifest = shelf.get(adapter_id)
    try:
        names_at = _read_time(manifest.data.get("names_at") or manifest.created_at)
        return PromptRules.read(manifest.config, text_format=manifest.text_format, names_at=names_at)
    except (ValueError, TypeError, AttributeError, OverflowError) as exc:
        raise AdapterDamagedError(
            f"The manifest of the adapter {adapter_id} holds no training configuration that can be read ({exc}). "
            f"Take another adapter with `clone adapters use ID`, or train again."
        ) from exc


def apply_rules(rules: PromptRules, prompt: Prompt) -> Prompt:
    """Return a prompt as the rules want it: masked where training was, without the system line where it had none."""
    if rules.masking is not None:
        from userbot.trust.masking import mask_turns  # compiling its patterns would slow every command's start

        prompt = replace(prompt, turns=mask_turns(prompt.turns, rules.masking).turns)
    return prompt if rules.system_line else replace(prompt, system=None)


def _read_time(text: str) -> datetime | None:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:  # not our own manifest; prompts then have the names of now
        return None
    return time if time.tzinfo else time.replace(tzinfo=UTC)
