"""The record of a comparison: kept privately, read back whole, enough for a report without a model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fakes import bubble

from training.config import GateConfig
from training.judging.gate import Exchange, Figures, judge
from training.judging.likeness import measure_likeness
from training.judging.plots import CurvePoint, Delay
from training.judging.record import collect_delays, read_comparison, read_curve, save_comparison, write_report
from userbot.config.home import HomePaths
from userbot.domain.errors import NoAdapterError
from userbot.domain.messages import Chat, ChatKind, Origin
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest

EXCHANGES = [
    Exchange(context=((False, (f"q{n}",)),), owner=(f"yes {n}",), candidate=(f"yep {n}",), active=("No.",))
    for n in range(12)
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    owner = [one.owner for one in EXCHANGES]
    new, old = ([getattr(one, side) for one in EXCHANGES] for side in ("candidate", "active"))
    figures = [
        Figures(adapter_id=name, loss=2.0, bits_per_char=1.5, likeness=measure_likeness(side, owner))
        for name, side in (("a1", new), ("a0", old))
    ]
    margins = GateConfig()  # type: ignore[call-arg]  # every field has a default
    save_comparison(HomePaths(tmp_path).report("a1"), judge(figures[0], figures[1], margins), EXCHANGES)
    shelf = AdapterShelf(tmp_path / "adapters")
    for name in ("a1", "a2"):
        with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").write_bytes(b"x")
    return tmp_path


def test_a_comparison_is_read_back_as_it_was_kept(home: Path) -> None:
    comparison = read_comparison(HomePaths(home).report("a1"))

    assert comparison is not None
    verdict, exchanges = comparison
    assert exchanges == EXCHANGES
    assert (verdict.candidate.adapter_id, verdict.active.adapter_id) == ("a1", "a0")


def test_a_comparison_is_for_the_owner_only(home: Path) -> None:
    assert HomePaths(home).report("a1").comparison.stat().st_mode & 0o777 == 0o600
    assert (home / "reports" / "a1").stat().st_mode & 0o777 == 0o700


def test_a_report_is_made_without_a_model(home: Path, store: Store) -> None:
    page = write_report(store, HomePaths(home), "a1")

    assert page == home / "reports" / "a1" / "report.html"
    assert "12 turns of your newest conversations" in page.read_text("utf-8")


def test_an_adapter_that_was_never_compared_has_no_report(home: Path, store: Store) -> None:
    with pytest.raises(NoAdapterError) as caught:
        write_report(store, HomePaths(home), "a2")

    assert str(caught.value) == (
        "The adapter a2 was never compared, so there is nothing to report. Compare it: "
        f"python -m training.judging.compare --home {home} --candidate a2"
    )


def test_the_curve_comes_from_the_run_that_made_the_adapter(tmp_path: Path) -> None:
    for run, adapter in (("r1", "a1"), ("r2", "a2")):
        (tmp_path / run).mkdir()
        (tmp_path / run / "run.json").write_text(json.dumps({"state": "done", "adapter_id": adapter}))
    events = [
        {"event": "evaluation", "name": "before", "step": 0, "loss": 4.0},
        {"event": "evaluation", "name": "current", "step": 0, "loss": 3.0},
        {"event": "step", "step": 1, "loss": 3.9},
        {"event": "step", "step": 1, "loss": 3.8},
        {"event": "step", "step": 2, "loss": 3.5},
        {"event": "evaluation", "name": "after", "step": 2, "loss": 2.9},
    ]
    (tmp_path / "r1" / "log.jsonl").write_text("".join(json.dumps(event) + "\n" for event in events))

    assert read_curve(tmp_path, "a1") == [CurvePoint(0, None, 4.0), CurvePoint(1, 3.8), CurvePoint(2, 3.5, 2.9)]
    assert read_curve(tmp_path, "a9") == []


def test_delays_are_those_of_conversations(store: Store, friend: Chat) -> None:
    store.chats.save([Chat(id=102, kind=ChatKind.BOT, title="Bot")])
    for chat_id in (friend.id, 102):
        store.messages.add(
            [
                bubble(1, "hi", chat_id=chat_id),
                bubble(2, "hey", origin=Origin.OWNER, chat_id=chat_id, at_s=20),
                bubble(3, "?", chat_id=chat_id, at_s=30),
                bubble(4, "ok", origin=Origin.CLONE, chat_id=chat_id, at_s=37),
            ]
        )

    owner, clone = collect_delays(store)

    assert [delay.seconds for delay in owner] == [20.0]
    assert [delay.seconds for delay in clone] == [7.0]
    assert isinstance(owner[0], Delay)
