"""The gate: a new adapter is compared with the one in service, on the same held-out turns, and must not be worse."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from training.config import GateConfig
from training.judging.likeness import Bubbles, Likeness

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
        loss: Nats per owner token of the held-out turns.
        bits_per_char: The same knowledge in bits per character.
        likeness: Its replies against the owner's.
    """

    adapter_id: str | None
    loss: float
    bits_per_char: float
    likeness: Likeness

    def to_json(self) -> dict[str, Any]:
        """Return plain values, the score among them."""
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
        passed: The candidate may be promoted.
        reasons: One sentence for each measure that is worse beyond its margin; empty when it passed.
        candidate: Figures of the new adapter.
        current: Figures of the one in service, or of the bare base where there is none.
        owner: The owner's older replies against the held-out ones, as a yardstick; None where it was not measured.
    """

    passed: bool
    reasons: tuple[str, ...] = field(default=())
    candidate: Figures
    current: Figures
    owner: Likeness | None = None

    @property
    def summary(self) -> str:
        """Return the decision as one sentence for the owner."""
        if not self.passed:
            return "Not promoted: " + "; ".join(self.reasons) + "."
        new, old = self.candidate, self.current
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
            "current": self.current.to_json(),
            "owner": None if self.owner is None else asdict(self.owner),
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Verdict:
        """Read what `to_json` wrote."""
        return cls(
            passed=values["passed"],
            reasons=tuple(values["reasons"]),
            candidate=Figures.from_json(values["candidate"]),
            current=Figures.from_json(values["current"]),
            owner=Likeness(**values["owner"]) if values.get("owner") else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """One held-out context with the owner's real reply and the generated ones.

    Args:
        context: Turns before the reply, oldest first, as `(mine, bubbles)`.
        owner: What the owner wrote.
        candidate: What the new adapter wrote.
        current: What the one in service wrote.
    """

    context: tuple[tuple[bool, Bubbles], ...]
    owner: Bubbles
    candidate: Bubbles
    current: Bubbles

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Exchange:
        """Read what `asdict` wrote."""
        context = tuple((bool(mine), tuple(bubbles)) for mine, bubbles in values["context"])
        return cls(context=context, **{key: tuple(values[key]) for key in ("owner", "candidate", "current")})


def judge(candidate: Figures, current: Figures, margins: GateConfig, *, owner: Likeness | None = None) -> Verdict:
    """Decide whether a candidate may take the place of the adapter in service.

    It need not be better: within the margins it is taken, since it has seen newer messages.
    """
    reasons = tuple(_find_losses(candidate, current, margins))
    return Verdict(passed=not reasons, reasons=reasons, candidate=candidate, current=current, owner=owner)


def _find_losses(new: Figures, old: Figures, margins: GateConfig) -> Iterator[str]:
    # Written as "not at most", so that a loss that is no number fails.
    if not new.bits_per_char <= old.bits_per_char * (1 + margins.loss_margin):
        yield (
            f"{new.bits_per_char:.3f} bits per held-out character where {old.bits_per_char:.3f} is in service "
            f"(margin {margins.loss_margin:.0%})"
        )
    if not new.likeness.score >= old.likeness.score - margins.likeness_margin:
        yield (
            f"likeness {new.likeness.score:.2f} where {old.likeness.score:.2f} is in service "
            f"(margin {margins.likeness_margin:.2f})"
        )
    for name, words in _RATES.items():
        ours, theirs = getattr(new.likeness, name), getattr(old.likeness, name)
        if ours > theirs + margins.rate_margin:
            yield f"{ours:.0%} {words} where {theirs:.0%} is in service (margin {margins.rate_margin:.0%})"
