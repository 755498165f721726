"""What detectors find, and the text as they read it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """One private value in a text.

    Args:
        start: Where it begins, characters.
        end: Where it ends, exclusive.
        kind: A `Masked` kind's value.
    """

    start: int
    end: int
    kind: str


@dataclass(frozen=True, slots=True)
class Source:
    """A text, and the same in small letters with `ё` as `е`; positions are equal in both."""

    text: str
    low: str

    @classmethod
    def read(cls, text: str) -> Source:
        """Prepare a text for detectors."""
        low = text.lower()
        if len(low) != len(text):  # a few letters become two; positions must stay
            low = "".join(small if len(small := char.lower()) == 1 else char for char in text)
        return cls(text, low.replace("ё", "е"))

    def line_end(self, position: int) -> int:
        """Return where the line that holds a position ends."""
        end = self.low.find("\n", position)
        return len(self.low) if end < 0 else end


Detector = Callable[[Source], Iterator[Finding]]
"""Yields what it finds; findings may overlap those of others."""


def keep_apart(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings that don't overlap, in order of position; the first of two that overlap is kept.

    Args:
        findings: In order of trust, the surest first.
    """
    kept: list[Finding] = []
    for finding in findings:
        if finding.start < finding.end and all(
            finding.end <= other.start or other.end <= finding.start for other in kept
        ):
            kept.append(finding)
    return tuple(sorted(kept))
