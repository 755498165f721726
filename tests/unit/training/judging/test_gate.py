"""The gate: what passes, what doesn't, and what its verdict says."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from training.config import GateConfig, make_config
from training.judging.gate import Exchange, Figures, Verdict, judge
from training.judging.likeness import Likeness

MARGINS = GateConfig.model_validate({"loss_margin": 0.02, "likeness_margin": 0.05, "rate_margin": 0.1})


def figures(name: str = "new", *, bits: float = 2.0, distance: float = 0.2, **rates: float) -> Figures:
    """Make figures whose distances are all alike."""
    traits = ("length", "bubbles", "case", "punctuation", "emoji", "language")
    values: dict[str, Any] = dict.fromkeys(traits, distance) | {"auc": 0.5 + distance / 2}
    others = ("repetition", "sameness", "owner_sameness", "empty", "overlong", "copied")
    values |= dict.fromkeys(others, 0.0) | rates
    return Figures(adapter_id=name, loss=bits * 2, bits_per_char=bits, likeness=Likeness(replies=64, **values))


def test_a_better_candidate_passes() -> None:
    verdict = judge(figures(bits=1.8, distance=0.1), figures("old"), MARGINS)

    assert verdict.passed
    assert verdict.summary == "Passed: 1.80 bits per character (before: 2.00), likeness 0.90 (before: 0.80)."


def test_within_the_margins_a_slightly_worse_candidate_passes() -> None:
    assert judge(figures(bits=2.03, distance=0.24, empty=0.09), figures("old"), MARGINS).passed


@pytest.mark.parametrize(
    ("candidate", "reason"),
    [
        (figures(bits=2.05), "2.050 bits per held-out character against 2.000 before (margin 2%)"),
        (figures(bits=math.nan), "nan bits per held-out character against 2.000 before (margin 2%)"),
        (figures(distance=0.26), "likeness 0.74 against 0.80 before (margin 0.05)"),
        (figures(empty=0.25), "25% empty replies against 0% before (margin 10%)"),
        (figures(overlong=0.25), "25% overlong replies against 0% before (margin 10%)"),
        (figures(repetition=0.25), "25% replies that repeat themselves against 0% before (margin 10%)"),
        (figures(sameness=0.25), "25% replies equal to an earlier one against 0% before (margin 10%)"),
        (figures(copied=0.25), "25% replies copied from the training data against 0% before (margin 10%)"),
    ],
)
def test_each_measure_alone_refuses_with_its_reason(candidate: Figures, reason: str) -> None:
    verdict = judge(candidate, figures("old"), MARGINS)

    assert not verdict.passed
    assert verdict.reasons == (reason,)
    assert verdict.summary == f"Not activated: {reason}."


def test_all_reasons_are_named_together() -> None:
    verdict = judge(figures(bits=3.0, distance=0.5, empty=1.0), figures("old"), MARGINS)

    assert len(verdict.reasons) == 3


def test_a_rate_is_compared_with_that_of_the_active_adapter() -> None:
    assert judge(figures(sameness=0.35), figures("old", sameness=0.3), MARGINS).passed


def test_a_verdict_survives_json_with_the_key_of_older_versions() -> None:
    owner = figures(distance=0.1).likeness
    verdict = judge(figures(bits=3.0), figures("old"), MARGINS, owner=owner)
    values = json.loads(json.dumps(verdict.to_json()))

    assert values["current"]["adapter_id"] == "old"
    assert Verdict.from_json(values) == verdict


def test_an_exchange_survives_json_with_the_key_of_older_versions() -> None:
    exchange = Exchange(
        context=((False, ("hey", "you there?")), (True, ("yep",)), (False, ("cinema?",))),
        owner=("sure",),
        candidate=("ok", "when?"),
        active=("no",),
    )
    values = json.loads(json.dumps(exchange.to_json()))

    assert values["current"] == ["no"]
    assert Exchange.from_json(values) == exchange


def test_margins_are_part_of_the_training_configuration() -> None:
    assert make_config("default", {"gate.loss_margin": 0.5}).gate.loss_margin == 0.5
