"""The record of a comparison, and the report that is made from it: `<home>/reports/<adapter id>/`."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from contextlib import suppress
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


def save_comparison(
    report: ReportPaths, verdict: Verdict, exchanges: Sequence[Exchange], *, chats: Collection[int] = ()
) -> None:
    """Keep a verdict with the replies that it rests on, so that a report needs no model.

    Args:
        report: Files of the candidate's report. The file is private (0600), because it holds messages.
        verdict: What the gate decided.
        exchanges: The replies of both adapters.
        chats: Chats whose words the exchanges hold; the report goes when one of them is forgotten.
    """
    report.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    kept = [exchange.to_json() for exchange in exchanges]
    write_json(report.comparison, {"verdict": verdict.to_json(), "exchanges": kept, "chats": sorted(chats)})


def read_comparison(report: ReportPaths) -> tuple[Verdict, list[Exchange]] | None:
    """Read what `save_comparison` kept.

    Returns:
        The verdict and the exchanges; None where no comparison was kept.
    """
    if not report.comparison.is_file():
        return None
    values = json.loads(report.comparison.read_text("utf-8"))
    return Verdict.from_json(values["verdict"]), [Exchange.from_json(each) for each in values["exchanges"]]


def write_report(store: Store, paths: HomePaths, adapter_id: str) -> Path:
    """Write the likeness report of an adapter that was compared.

    Args:
        store: Source of the delays of answers.
        paths: Paths of the home folder.
        adapter_id: The adapter.

    Returns:
        The path of the page.

    Raises:
        NoAdapterError: There is no such adapter, or it was never compared.
    """
    manifest = AdapterShelf(paths.adapters).get(adapter_id)
    report = paths.report(adapter_id)
    comparison = read_comparison(report)
    if comparison is None:
        raise NoAdapterError(
            f"The adapter {adapter_id} was never compared, so there is nothing to report. Compare it: "
            f"python -m training.judging.compare --home {paths.home} --candidate {adapter_id}"
        )
    verdict, exchanges = comparison
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
    """Read the losses of the run that made an adapter, from its log.

    Args:
        runs: Folder of all runs.
        adapter_id: The adapter.

    Returns:
        Points in order of their updates, the later one of updates run twice; none where the run is gone.
    """
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
    """Measure how long the owner and the clone took to answer, over all conversations.

    Returns:
        The owner's delays and the clone's.
    """
    owner: list[Delay] = []
    clone: list[Delay] = []
    for chat in store.chats.all():
        if chat.kind.is_conversation and not chat.own_only:
            delays = measure_delays(store.messages.history(chat.id))
            owner += delays[Origin.OWNER]
            clone += delays[Origin.CLONE]
    return owner, clone


def _find_log(runs: Path, adapter_id: str) -> list[Event]:
    run = find_run_of(runs, adapter_id)
    if run is None:
        return []
    with suppress(FileNotFoundError):
        return read_events(run.log)
    return []
