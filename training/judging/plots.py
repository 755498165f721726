"""Plots of the likeness report, as inline SVG that suits a light and a dark page, and the summary as PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from training.judging.likeness import (
    Bubbles,
    count_bubbles,
    count_emoji,
    join,
    list_bubbles,
    name_case,
    name_ending,
    name_script,
    share,
)

OWNER_COLOUR = "#2f6fd0"
CLONE_COLOUR = "#e0702b"
MUTED = "#7d8593"
_STYLE: dict[Any, Any] = {
    "font.size": 10,
    "font.family": "sans-serif",
    "svg.fonttype": "none",
    "text.color": MUTED,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "grid.color": MUTED,
    "grid.alpha": 0.2,
    "legend.frameon": False,
}


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """Losses at one update, nats per supervised token; None where not measured.

    Args:
        step: Updates done.
        loss: Training loss of the update.
        held_out: Loss on the held-out samples after it.
    """

    step: int
    loss: float | None = None
    held_out: float | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """How long one answer took.

    Args:
        hour: Local hour of the question, 0 to 23.
        seconds: Time from question to answer, s.
    """

    hour: int
    seconds: float


def plot_losses(curve: Sequence[CurvePoint], *, before: float | None) -> str:
    """Draw training and held-out loss by update, and the loss of the adapter that was active before as a line.

    Args:
        curve: Points in order of their updates.
        before: The active adapter's loss on the same held-out turns, nats per supervised token; None draws no line.

    Returns:
        An `<svg>` element.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 2.9), layout="constrained")
        axes = figure.subplots()
        training = [(point.step, point.loss) for point in curve if point.loss is not None]
        held_out = [(point.step, point.held_out) for point in curve if point.held_out is not None]
        if training:
            axes.plot(*zip(*training, strict=True), color=MUTED, linewidth=1.4, label="training")
        if held_out:
            axes.plot(*zip(*held_out, strict=True), color=CLONE_COLOUR, marker="o", linewidth=2, label="held out")
        if before is not None:
            axes.axhline(before, color=OWNER_COLOUR, linestyle="--", linewidth=1.4, label="held out, before")
        axes.set(xlabel="update", ylabel="nats per supervised token")
        axes.grid(axis="y")
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        return _to_svg(figure, "losses")


def plot_traits(clone: Sequence[Bubbles], owner: Sequence[Bubbles]) -> str:
    """Draw the distributions that make a style, owner against clone, in six small plots.

    Args:
        clone: Generated replies; empty ones are left out.
        owner: Real replies.

    Returns:
        An `<svg>` element.
    """
    bubbles = [list_bubbles(side) for side in (owner, clone)]
    replies = [[reply for reply in side if join(reply)] for side in (owner, clone)]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 5.2), layout=ConstrainedLayoutEngine(hspace=0.08))
        grid = figure.subplots(2, 3)
        _draw_lengths(grid[0, 0], replies)
        for axes, title, sides, name in (
            (grid[0, 1], "bubbles per turn", replies, count_bubbles),
            (grid[0, 2], "emoji per turn", replies, count_emoji),
            (grid[1, 0], "a bubble begins with", bubbles, name_case),
            (grid[1, 1], "a bubble ends with", bubbles, name_ending),
            (grid[1, 2], "script of a turn", replies, name_script),
        ):
            _draw_shares(axes, title, [share(side, name) if side else {} for side in sides])
        figure.legend(*grid[0, 1].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        return _to_svg(figure, "traits")


def plot_delays(owner: Sequence[Delay], clone: Sequence[Delay]) -> str:
    """Draw the time to answer by local hour: the median as a dot, the middle half of the answers as a bar.

    Args:
        owner: The owner's answers.
        clone: The clone's answers.

    Returns:
        An `<svg>` element.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 2.9), layout="constrained")
        axes = figure.subplots()
        _draw_delays(axes, owner, offset=-0.15, colour=OWNER_COLOUR, label="owner")
        _draw_delays(axes, clone, offset=0.15, colour=CLONE_COLOUR, label="clone")
        axes.set_yscale("log")
        axes.set_yticks([1, 10, 60, 600, 3600, 21600], ["1 s", "10 s", "1 min", "10 min", "1 h", "6 h"])
        axes.minorticks_off()
        axes.set(xlim=(-0.6, 23.6), ylim=(0.5, 43200), xlabel="hour of the day", xticks=range(0, 24, 2))
        axes.grid(axis="y")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(ncols=2)
        return _to_svg(figure, "delays")


def save_summary(path: Path, title: str, numbers: Sequence[tuple[str, str, str]]) -> None:
    """Save a small picture with a title and up to three numbers.

    Args:
        path: PNG file to write, 1200 by 480 pixels.
        title: One line above the numbers.
        numbers: For each `(number, what it is, what it was before)`.
    """
    with mpl.rc_context({"font.family": "sans-serif"}):
        figure = Figure(figsize=(8, 3.2), dpi=150, facecolor="#ffffff")
        figure.text(0.05, 0.86, title, fontsize=13, color="#1d2430", va="center")
        for index, (number, words, before) in enumerate(numbers):
            left = 0.05 + index * 0.32
            figure.text(left, 0.53, number, fontsize=36, color=CLONE_COLOUR, weight="bold", va="center")
            figure.text(left, 0.29, words, fontsize=11, color="#1d2430", va="center")
            figure.text(left, 0.18, before, fontsize=10, color=MUTED, va="center")
        figure.savefig(path, format="png")


def _draw_lengths(axes: Axes, sides: Sequence[Sequence[Bubbles]]) -> None:
    for side, colour in zip(sides, (OWNER_COLOUR, CLONE_COLOUR), strict=True):
        lengths = sorted(len(join(reply)) for reply in side)
        heights = [(index + 1) / len(lengths) for index in range(len(lengths))]
        axes.step([0, *lengths], [0, *heights], where="post", color=colour, linewidth=2)
    axes.set(ylim=(0, 1.02), xlim=(0, None))
    axes.set_title("turns up to this many characters", fontsize=10)
    axes.grid()
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _draw_shares(axes: Axes, title: str, sides: Sequence[Mapping[Hashable, float]]) -> None:
    keys = sorted(
        {key for side in sides for key in side}, key=lambda key: (isinstance(key, str), _rank(key, sides), key)
    )
    for side, offset, colour, label in zip(
        sides, (-0.2, 0.2), (OWNER_COLOUR, CLONE_COLOUR), ("owner", "clone"), strict=True
    ):
        places = [index + offset for index in range(len(keys))]
        axes.bar(places, [side.get(key, 0.0) for key in keys], width=0.36, color=colour, label=label)
    axes.set_xticks(range(len(keys)), [str(key) for key in keys], fontsize=8 if len(keys) > 5 else 10)
    axes.set_xlim(-0.7, max(len(keys), 3) - 0.3)
    axes.set_title(title, fontsize=10)
    axes.grid(axis="y")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")


def _rank(key: Hashable, sides: Sequence[Mapping[Hashable, float]]) -> float:
    # Names go by the owner's share, the most common first; numbers keep their own order.
    return -sides[0].get(key, 0.0) if isinstance(key, str) else 0.0


def _draw_delays(axes: Axes, delays: Sequence[Delay], *, offset: float, colour: str, label: str) -> None:
    by_hour: dict[int, list[float]] = {}
    for delay in delays:
        by_hour.setdefault(delay.hour, []).append(max(delay.seconds, 1.0))
    for index, (hour, seconds) in enumerate(sorted(by_hour.items())):
        low, middle, high = quantiles(seconds, n=4, method="inclusive") if len(seconds) > 1 else seconds * 3
        axes.plot([hour + offset] * 2, [low, high], color=colour, linewidth=4, alpha=0.35, solid_capstyle="round")
        axes.plot([hour + offset], [middle], "o", color=colour, markersize=5, label=None if index else label)


def _to_svg(figure: Figure, name: str) -> str:
    # The salt keeps the ids of several drawings on one page apart, and makes the text reproducible. The ids of groups
    # are numbers that recur, and nothing refers to them.
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    return text[text.index("<svg") :]
