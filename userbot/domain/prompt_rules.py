"""How prompts are cut and rendered: rules of the data that an adapter was trained on, which bind serving too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from userbot.domain.messages import SESSION_GAP


@dataclass(frozen=True, slots=True)
class CustomPattern:
    """A pattern of the owner's own private values.

    Args:
        name: What errors call it.
        pattern: A regular expression of the package `regex`; letters match in either case.
    """

    name: str
    pattern: str


@dataclass(frozen=True, slots=True)
class Masking:
    """How private values are replaced by placeholders.

    Args:
        names: Names of people are replaced too; needs the extra `names`.
        patterns: The owner's own patterns.
    """

    names: bool = False
    patterns: tuple[CustomPattern, ...] = ()

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Self | None:
        """Read it from a configuration of data; None where nothing is masked, as before there was masking."""
        if not data.get("mask"):
            return None
        patterns = tuple(CustomPattern(name, pattern) for name, pattern in (data.get("patterns") or {}).items())
        return cls(bool(data.get("mask_names")), patterns)


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptRules:
    """Rules that training and serving share. The defaults are training's, and the bare base's.

    Args:
        session_gap: Silence that ends a conversation; what was said before it is not in the prompt.
        system_line: Whether the prompt says who the contact is.
        text_format: `chat` for the base's chat template, `text` for `User:` / `Clone:` lines, `auto` for the first
            where the base has a template.
        names_at: When the samples were written, aware: prompts call chats what they were called then. None for now.
        masking: How private values were masked in the samples, and are in prompts; None where they were not.
    """

    session_gap: timedelta = SESSION_GAP
    system_line: bool = True
    text_format: str = "auto"
    names_at: datetime | None = None
    masking: Masking | None = None

    @classmethod
    def read(cls, config: Mapping[str, Any], *, text_format: str, names_at: datetime | None = None) -> Self:
        """Read the rules from the training configuration in an adapter's manifest.

        Args:
            config: The whole configuration; what it lacks has its default.
            text_format: The manifest's, in which `auto` is resolved.
            names_at: When the samples were written, aware.

        Returns:
            The rules.

        Raises:
            ValueError: A value is out of range.
            TypeError: A value is of another type.
        """
        data, given = config.get("data") or {}, dict[str, Any]()
        if data.get("session_gap_h") is not None:
            given["session_gap"] = timedelta(hours=data["session_gap_h"])
        if "system_line" in data:
            given["system_line"] = bool(data["system_line"])
        return cls(**given, text_format=text_format, names_at=names_at, masking=Masking.read(data))


DEFAULT_RULES = PromptRules()
