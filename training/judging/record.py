"""What a trial leaves behind, and the report that is made of it: `<home>/reports/<adapter id>/`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

from training.events import Evaluated, EvaluationName, Event, Stepped
from training.judging.gate import Exchange, Verdict
from training.judging.plots import CurvePoint, Delay
from training.judging.report import ReportData, make_report, measure_delays
from training.progress import read_events
from userbot.config.home import HomePaths, ReportPaths
from userbot.domain.errors import NoAdapterError
from userbot.domain.messages import Origin
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, write_json
from userbot.store.runs import find_run_of

_ON_THE_CURVE = (EvaluationName.BEFORE, EvaluationName.DURING, EvaluationName.AFTER)


def save_comparison(report: ReportPaths, verdict: Verdict, exchanges: Sequence[Exchange]) -> None:
    """Keep a verdict with the replies that it rests on, so that a report needs no model; 0600, as it holds messages."""
    report.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_json(report.comparison, {"verdict": verdict.to_json(), "exchanges": [asdict(one) for one in exchanges]})


def read_comparison(report: ReportPaths) -> tuple[Verdict, list[Exchange]] | None:
    """Read what `save_comparison` kept; None where there is nothing."""
    if not report.comparison.is_file():
        return None
    found = json.loads(report.comparison.read_text("utf-8"))
    return Verdict.from_json(found["verdict"]), [Exchange.from_json(one) for one in found["exchanges"]]


def write_report(store: Store, paths: HomePaths, adapter_id: str) -> Path:
    """Write the likeness report of an adapter that was at the gate; return the path of the page.

    Args:
        store: For the delays of answers.
        paths: Of the home folder.
        adapter_id: The adapter.

    Raises:
        NoAdapterError: There is no such adapter, or it was never at the gate.
    """
    manifest = AdapterShelf(paths.adapters).get(adapter_id)
    report = paths.report(adapter_id)
    found = read_comparison(report)
    if found is None:
        raise NoAdapterError(
            f"The adapter {adapter_id} was never compared, so there is nothing to report. Compare it: "
            f"python -m training.judging.compare --home {paths.home} --candidate {adapter_id}"
        )
    verdict, exchanges = found
    owner, clone = collect_delays(store)
    data = ReportData(
        adapter_id=adapter_id,
        base=manifest.base,
        created_at=manifest.created_at,
        verdict=verdict,
        exchanges=exchanges,
        curve=read_curve(paths.runs, adapter_id),
        owner_delays=owner,
        clone_delays=clone,
    )
    return make_report(data, report)


def read_curve(runs: Path, adapter_id: str) -> list[CurvePoint]:
    """Read the losses of the run that made an adapter, from its log; of steps run twice the later one counts."""
    points: dict[int, CurvePoint] = {}
    for event in _find_log(runs, adapter_id):
        match event:
            case Stepped(step=step, loss=loss):
                points[step] = CurvePoint(step, loss, points.get(step, CurvePoint(step)).held_out)
            case Evaluated(step=step, loss=loss, name=name) if name in _ON_THE_CURVE:
                points[step] = CurvePoint(step, points.get(step, CurvePoint(step)).loss, loss)
            case _:
                pass
    return [points[step] for step in sorted(points)]


def collect_delays(store: Store) -> tuple[list[Delay], list[Delay]]:
    """Measure how long the owner and the clone took to answer, over all conversations."""
    owner: list[Delay] = []
    clone: list[Delay] = []
    for chat in store.chats.all():
        if chat.kind.is_conversation and not chat.own_only:
            found = measure_delays(store.messages.history(chat.id))
            owner += found[Origin.OWNER]
            clone += found[Origin.CLONE]
    return owner, clone


def _find_log(runs: Path, adapter_id: str) -> list[Event]:
    run = find_run_of(runs, adapter_id)
    if run is None:
        return []
    with suppress(FileNotFoundError):
        return read_events(run.log)
    return []
