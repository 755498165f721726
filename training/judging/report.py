"""The likeness report: a self-contained page for the owner, a blind sheet for friends, a picture with three numbers."""

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

from training.judging import plots
from training.judging.gate import Exchange, Verdict
from training.judging.likeness import Bubbles, Likeness, join
from training.judging.plots import CurvePoint, Delay
from userbot.config.home import ReportPaths
from userbot.domain.messages import Message, Origin, fold_turns, split_sessions
from userbot.domain.text import LINE_BREAK

MAX_PAIRS = 20
CONTEXT_TURNS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportData:
    """Everything that a report shows.

    Args:
        adapter_id: The adapter that the report is about.
        base: Its base model.
        created_at: When it was trained, ISO 8601.
        verdict: What the gate decided.
        exchanges: Held-out contexts with the owner's and the generated replies.
        curve: Losses of the training run.
        owner_delays: How long the owner took to answer.
        clone_delays: How long the clone took.
        seed: Seed of the sides on the blind sheet.
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
    """One question of the blind sheet.

    Args:
        context: Turns before the reply, oldest first, as `(mine, bubbles)`.
        a: The reply shown as A.
        b: The reply shown as B.
        key: Letter of the owner's reply.
    """

    context: tuple[tuple[bool, Bubbles], ...]
    a: Bubbles
    b: Bubbles
    key: str


def make_report(data: ReportData, paths: ReportPaths) -> Path:
    """Write the report, the blind sheet and the summary picture.

    All three hold or stem from private messages, so the files are private (0600). The sheet is the blind part of the
    report alone, without the key, made to be sent.

    Args:
        data: What to show.
        paths: Files to write; the folder is made if missing, and an earlier report there is replaced.

    Returns:
        The path of the page.
    """
    paths.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    pairs = make_pairs(data.exchanges, seed=data.seed)
    environment = Environment(loader=PackageLoader("training.judging"), autoescape=True, undefined=StrictUndefined)
    environment.filters["lines"] = lambda text: text.replace(LINE_BREAK, "\n")
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

    Contexts where the clone said nothing, or exactly what the owner said, make no question.

    Args:
        exchanges: Held-out contexts with both replies.
        seed: Seed of the sides.

    Returns:
        At most MAX_PAIRS questions, spread evenly over the exchanges.
    """
    rng = random.Random(seed)  # noqa: S311 - the order of a quiz needs no secrecy
    usable = [entry for entry in exchanges if join(entry.candidate) and join(entry.candidate) != join(entry.owner)]
    if len(usable) > MAX_PAIRS:
        usable = [usable[index * len(usable) // MAX_PAIRS] for index in range(MAX_PAIRS)]
    pairs = []
    for entry in usable:
        context = entry.context[-CONTEXT_TURNS:]
        owner_first = rng.random() < 0.5
        a, b = (entry.owner, entry.candidate) if owner_first else (entry.candidate, entry.owner)
        pairs.append(Pair(context, a, b, "A" if owner_first else "B"))
    return pairs


def measure_delays(messages: Iterable[Message], zone: tzinfo | None = None) -> dict[Origin, list[Delay]]:
    """Measure how long the owner and the clone took to answer, in one chat.

    Args:
        messages: All messages of the chat, oldest first.
        zone: Time zone of the hours; None takes the machine's.

    Returns:
        Delays by who answered, OWNER or CLONE.
    """
    delays: dict[Origin, list[Delay]] = {Origin.OWNER: [], Origin.CLONE: []}
    for session in split_sessions(messages):
        for asked, answered in pairwise(fold_turns(session)):
            if not asked.mine and answered.mine:
                question, answer = asked.messages[-1], answered.messages[0]
                seconds = (answer.sent_at - question.sent_at).total_seconds()
                delays[answer.origin].append(Delay(question.sent_at.astimezone(zone).hour, seconds))
    return delays


def save_summary(verdict: Verdict, path: Path) -> None:
    """Save the picture with the three most telling numbers; the file is private (0600)."""
    title = f"New adapter {verdict.candidate.adapter_id}: " + ("passed" if verdict.passed else "not activated")
    plots.save_summary(path, title, [(number, words, before) for number, words, before, _ in list_cards(verdict)])
    path.chmod(0o600)


def list_cards(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """Return the three numbers as `(number, what it is, before, explanation)`."""
    new, old = verdict.candidate, verdict.active
    return [
        (
            f"{new.likeness.score:.0%}",
            "likeness in style",
            f"before: {old.likeness.score:.0%}",
            "One minus the mean distance in length, bubbles, case, punctuation, emoji, script and by the classifier.",
        ),
        (
            _percent(new.likeness.auc),
            "told apart by a classifier",
            f"before: {_percent(old.likeness.auc)}; 50% is a guess",
            "Shown one reply of each, a character n-gram classifier picks out the clone's this often.",
        ),
        (
            f"{new.bits_per_char:.2f}",
            "bits per character",
            f"before: {old.bits_per_char:.2f}; less is better",
            "How surprised the model is by what the owner really wrote in the newest, held-out conversations.",
        ),
    ]


def list_rows(verdict: Verdict) -> list[tuple[str, str, str, str]]:
    """Return all measures as `(name, this adapter, before, the owner's older replies)`, ready to show."""
    new, old = verdict.candidate, verdict.active
    rows = [
        ("loss, nats per supervised token", f"{new.loss:.3f}", f"{old.loss:.3f}", ""),
        ("bits per character", f"{new.bits_per_char:.3f}", f"{old.bits_per_char:.3f}", ""),
    ]
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
        rows.append((words, _show(new.likeness, name), _show(old.likeness, name), _show(verdict.owner, name)))
    return rows


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
        "losses": plots.plot_losses(data.curve, before=data.verdict.active.loss) if data.curve else "",
        "traits": plots.plot_traits(*replies) if data.exchanges else "",
        "delays": plots.plot_delays(data.owner_delays, data.clone_delays) if data.owner_delays else "",
    }
    # Matplotlib escapes the texts of its drawings, and no message is among them.
    return {name: Markup(svg) for name, svg in drawn.items()}  # noqa: S704


def _write(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.touch(mode=0o600)
    draft.write_bytes(content)
    draft.replace(path)
