"""The gate: a new adapter must not be worse than the active one on the same held-out turns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from training.config import GateConfig
from training.judging.likeness import Bubbles, Likeness

_ACTIVE_KEY = "current"  # the name that the active adapter has on disk
_RATES = {
    "empty": "empty replies",
    "overlong": "overlong replies",
    "repetition": "replies that repeat themselves",
    "sameness": "replies equal to an earlier one",
    "copied": "replies copied from the training data",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured of one adapter.

    Args:
        adapter_id: The adapter; None for the bare base.
        loss: Loss on the held-out turns, nats per supervised token.
        bits_per_char: The same loss in bits per character.
        likeness: Its replies compared with the owner's.
    """

    adapter_id: str | None
    loss: float
    bits_per_char: float
    likeness: Likeness

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON, with the likeness score."""
        return {**asdict(self), "score": self.likeness.score}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Figures:
        """Read what `to_json` wrote."""
        plain = {key: value for key, value in values.items() if key != "score"}
        return cls(**{**plain, "likeness": Likeness(**values["likeness"])})


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the gate decided, and why.

    Args:
        passed: The candidate may be activated.
        reasons: One clause for each measure that is worse by more than its margin; empty when it passed.
        candidate: Figures of the new adapter.
        active: Figures of the active adapter, or of the bare base where there is none.
        owner: The owner's older replies compared with the held-out ones, as a yardstick; None where not measured.
    """

    passed: bool
    reasons: tuple[str, ...] = field(default=())
    candidate: Figures
    active: Figures
    owner: Likeness | None = None

    @property
    def summary(self) -> str:
        """Return the decision as one sentence for the owner."""
        if not self.passed:
            return "Not activated: " + "; ".join(self.reasons) + "."
        new, old = self.candidate, self.active
        return (
            f"Passed: {new.bits_per_char:.2f} bits per character (before: {old.bits_per_char:.2f}), "
            f"likeness {new.likeness.score:.2f} (before: {old.likeness.score:.2f})."
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "passed": self.passed,
            "reasons": list(self.reasons),
            "summary": self.summary,
            "candidate": self.candidate.to_json(),
            _ACTIVE_KEY: self.active.to_json(),
            "owner": None if self.owner is None else asdict(self.owner),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdict:
        """Read what `to_json` wrote."""
        return cls(
            passed=values["passed"],
            reasons=tuple(values["reasons"]),
            candidate=Figures.from_json(values["candidate"]),
            active=Figures.from_json(values[_ACTIVE_KEY]),
            owner=Likeness(**values["owner"]) if values.get("owner") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One held-out context with the owner's real reply and the generated ones.

    Args:
        context: Turns before the reply, oldest first, as `(mine, bubbles)`.
        owner: What the owner wrote.
        candidate: What the new adapter wrote.
        active: What the active adapter wrote, or the bare base where there is none.
    """

    context: tuple[tuple[bool, Bubbles], ...]
    owner: Bubbles
    candidate: Bubbles
    active: Bubbles

    def to_json(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "context": self.context,
            "owner": self.owner,
            "candidate": self.candidate,
            _ACTIVE_KEY: self.active,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Exchange:
        """Read what `to_json` wrote."""
        return cls(
            context=tuple((bool(mine), tuple(bubbles)) for mine, bubbles in values["context"]),
            owner=tuple(values["owner"]),
            candidate=tuple(values["candidate"]),
            active=tuple(values[_ACTIVE_KEY]),
        )


def judge(candidate: Figures, active: Figures, margins: GateConfig, *, owner: Likeness | None = None) -> Verdict:
    """Decide whether a candidate may replace the active adapter.

    It need not be better: within the margins it passes, since it has seen newer messages.

    Args:
        candidate: Figures of the new adapter.
        active: Figures of the active adapter, or of the bare base where there is none.
        margins: How much worse each figure may be.
        owner: The owner's older replies compared with the held-out ones; None where it was not measured.

    Returns:
        The verdict, with one reason for each figure that is worse than its margin allows.
    """
    reasons = tuple(_find_reasons(candidate, active, margins))
    return Verdict(passed=not reasons, reasons=reasons, candidate=candidate, active=active, owner=owner)


def _find_reasons(new: Figures, old: Figures, margins: GateConfig) -> Iterator[str]:
    # Written as "not at most", so that a loss that is not a number fails.
    if not new.bits_per_char <= old.bits_per_char * (1 + margins.loss_margin):
        yield (
            f"{new.bits_per_char:.3f} bits per held-out character against {old.bits_per_char:.3f} before "
            f"(margin {margins.loss_margin:.0%})"
        )
    if not new.likeness.score >= old.likeness.score - margins.likeness_margin:
        yield (
            f"likeness {new.likeness.score:.2f} against {old.likeness.score:.2f} before "
            f"(margin {margins.likeness_margin:.2f})"
        )
    for name, words in _RATES.items():
        rate, rate_before = getattr(new.likeness, name), getattr(old.likeness, name)
        if rate > rate_before + margins.rate_margin:
            yield f"{rate:.0%} {words} against {rate_before:.0%} before (margin {margins.rate_margin:.0%})"
