"""Reads what detectors find as text and kind."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from userbot.trust.detectors import Finding, detect
from userbot.trust.detectors.finding import Source


def find(text: str) -> list[tuple[str, str]]:
    """Return what is found in a text: the words and the kind."""
    return [(text[one.start : one.end], str(one.kind)) for one in detect(text)]


def find_with(detector: Callable[[Source], Iterator[Finding]], text: str) -> list[str]:
    """Return the words that one detector finds."""
    return [text[one.start : one.end] for one in detector(Source.read(text))]
