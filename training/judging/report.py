"""The likeness report: a self-contained page for the owner, a blind sheet for friends, a picture of three numbers."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import tzinfo
from itertools import pairwise
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from training.judging import plots as report_plots
from training.judging.gate import Exchange, Figures, Verdict
from training.judging.likeness import Bubbles, Likeness, join
from training.judging.plots import CurvePoint, Delay
from userbot.config.home import ReportPaths
from userbot.domain.messages import Message, Origin, fold_turns, split_sessions

MAX_PAIRS = 20
CONTEXT_TURNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that a report shows.

    Args:
        adapter_id: The adapter it is about.
        base: Its base model.
        created_at: When it was trained, ISO time.
        verdict: What the gate said.
        exchanges: Held-out contexts with the owner's and the generated replies.
        curve: Losses of the training run.
        owner_delays: How long the owner took to answer.
        clone_delays: How long the clone took.
        seed: Shuffles the blind sheet.
    """

    adapter_id: str
    base: str
    created_at: str
    verdict: Verdict
    exchanges: Sequence[Exchange]
    curve: Sequence[CurvePoint] = ()
    owner_delays: Sequence[Delay] = ()
    clone_delays: Sequence[Delay] = ()
    seed: int = 7


@dataclass(frozen=True, slots=True)
class Pair:
    """One question of the blind sheet; `key` is the letter of the owner's reply."""

    context: tuple[tuple[bool, Bubbles], ...]
    a: Bubbles
    b: Bubbles
    key: str


def make_report(data: ReportData, paths: ReportPaths) -> Path:
    """Write the report, the blind sheet and the summary picture; return the path of the report.

    All three hold or stem from private messages: the files are 0600. The sheet is the report's blind part alone,
    without the key, made to be sent.

    Args:
        data: What to show.
        paths: Where to; the folder is made if missing, and files of an earlier report there are replaced.
    """
    paths.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pairs = make_pairs(data.exchanges, seed=data.seed)
    environment = Environment(loader=PackageLoader("training.judging"), autoescape=True, undefined=StrictUndefined)
    environment.filters["lines"] = lambda text: text.replace("\u2028", "\n")
    page = environment.get_template("report.html.j2").render(
        data=data, rows=list_rows(data.verdict), pairs=pairs, cards=list_cards(data.verdict), plots=_draw(data)
    )
    sheet = environment.get_template("sheet.html.j2").render(pairs=pairs)
    _write(paths.page, page.encode())
    _write(paths.sheet, sheet.encode())
    save_summary(data.verdict, paths.summary)
    return paths.page


def make_pairs(exchanges: Iterable[Exchange], *, seed: int) -> list[Pair]:
    """Choose questions for the blind sheet and shuffle their sides.

    Contexts where the clone said nothing, or the owner's very words, are no question. Not more than
    MAX_PAIRS, spread over all.
    """
    rng = random.Random(seed)  # noqa: S311 - the order of a quiz needs no secrecy
    asked = [entry for entry in exchanges if join(entry.candidate) and join(entry.candidate) != join(entry.owner)]
    if len(asked) > MAX_PAIRS:
        asked = [asked[index * len(asked) // MAX_PAIRS] for index in range(MAX_PAIRS)]
    pairs = []
    for entry in asked:
        context = entry.context[-CONTEXT_TURNS:]
        owner_first = rng.random() < 0.5
        a, b = (entry.owner, entry.candidate) if owner_first else (entry.candidate, entry.owner)
        pairs.append(Pair(context, a, b, "A" if owner_first else "B"))
    return pairs


def measure_delays(messages: Iterable[Message], zone: tzinfo | None = None) -> dict[Origin, list[Delay]]:
    """Measure how long the owner and the clone took to answer, in one chat.

    Args:
        messages: The chat's, oldest first.
        zone: For the hour of the day; None takes the machine's.
    """
    found: dict[Origin, list[Delay]] = {Origin.OWNER: [], Origin.CLONE: []}
    for session in split_sessions(messages):
        for asked, answered in pairwise(fold_turns(session)):
            if not asked.mine and answered.mine:
                question, answer = asked.messages[-1], answered.messages[0]
                seconds = (answer.sent_at - question.sent_at).total_seconds()
                found[answer.origin].append(Delay(question.sent_at.astimezone(zone).hour, seconds))
    return found


def save_summary(verdict: Verdict, path: Path) -> None:
    """Save the picture with the three numbers that tell most."""
    title = f"New adapter {verdict.candidate.adapter_id}: " + ("passed" if verdict.passed else "not promoted")
    report_plots.save_summary(
        path, title, [(number, words, before) for number, words, before, _ in list_cards(verdict)]
    )
    path.chmod(0o600)


def list_cards(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """Return the three numbers as `(number, what it is, before, explanation)`."""
    new, old = verdict.candidate, verdict.current
    return [
        (
            f"{new.likeness.score:.0%}",
            "likeness in style",
            f"before: {old.likeness.score:.0%}",
            "One less the mean distance of length, bubbles, case, punctuation, emoji, script and the classifier below.",
        ),
        (
            _percent(new.likeness.auc),
            "told apart by a classifier",
            f"before: {_percent(old.likeness.auc)}; 50% is a guess",
            "Shown one reply of each, a character n-gram classifier names the clone this often.",
        ),
        (
            f"{new.bits_per_char:.2f}",
            "bits per character",
            f"before: {old.bits_per_char:.2f}; less is better",
            "How surprised the model is by what the owner really wrote in the newest, held-out conversations.",
        ),
    ]


def list_rows(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """Return all measures as `(name, new, before, owner against himself)`, ready to show."""
    sides: list[Figures | None] = [verdict.candidate, verdict.current]
    rows = [
        ("loss, nats per owner token", *(f"{side.loss:.3f}" for side in sides if side), ""),
        ("bits per character", *(f"{side.bits_per_char:.3f}" for side in sides if side), ""),
    ]
    columns = [verdict.candidate.likeness, verdict.current.likeness, verdict.owner]
    names = {
        "length": "distance: length",
        "bubbles": "distance: bubbles per turn",
        "case": "distance: case",
        "punctuation": "distance: punctuation",
        "emoji": "distance: emoji",
        "language": "distance: script",
        "auc": "classifier, AUC",
        "score": "likeness",
        "repetition": "replies that repeat themselves",
        "sameness": "replies said before",
        "empty": "empty replies",
        "overlong": "overlong replies",
        "copied": "copied from training data",
    }
    for name, words in names.items():
        shown = [_show(column, name) for column in columns]
        rows.append((words, shown[0], shown[1], shown[2]))
    return [(a, b, c, d) for a, b, c, d in rows]


def _show(likeness: Likeness | None, name: str) -> str:
    value = None if likeness is None else getattr(likeness, name)
    if value is None:
        return "–"
    rates = ("repetition", "sameness", "empty", "overlong", "copied")
    return f"{value:.0%}" if name in rates else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.0%}"


def _draw(data: ReportData) -> dict[str, Markup]:
    replies = [entry.candidate for entry in data.exchanges], [entry.owner for entry in data.exchanges]
    drawn = {
        "losses": report_plots.plot_losses(data.curve, in_service=data.verdict.current.loss) if data.curve else "",
        "traits": report_plots.plot_traits(*replies) if data.exchanges else "",
        "delays": report_plots.plot_delays(data.owner_delays, data.clone_delays) if data.owner_delays else "",
    }
    # Matplotlib escapes the texts of its drawings, and no message is among them.
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
