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
    """Losses at one update: nats per owner token; None where it was not measured."""

    step: int
    loss: float | None = None
    held_out: float | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """How long one answer took: the local hour it was asked in, and seconds."""

    hour: int
    seconds: float


def plot_losses(curve: Sequence[CurvePoint], *, in_service: float | None) -> str:
    """Draw training and held-out loss by update, and the loss of the adapter in service as a line.

    Args:
        curve: Points in order.
        in_service: Nats per owner token on the same held-out turns; None draws no line.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 2.9), layout="constrained")
        axes = figure.subplots()
        seen = [(point.step, point.loss) for point in curve if point.loss is not None]
        held = [(point.step, point.held_out) for point in curve if point.held_out is not None]
        if seen:
            axes.plot(*zip(*seen, strict=True), color=MUTED, linewidth=1.4, label="while learning")
        if held:
            axes.plot(*zip(*held, strict=True), color=CLONE_COLOUR, marker="o", linewidth=2, label="held-out turns")
        if in_service is not None:
            axes.axhline(in_service, color=OWNER_COLOUR, linestyle="--", linewidth=1.4, label="in service before")
        axes.set(xlabel="update", ylabel="nats per owner token")
        axes.grid(axis="y")
        if axes.get_legend_handles_labels()[0]:
            axes.legend()
        return _to_svg(figure, "losses")


def plot_traits(clone: Sequence[Bubbles], owner: Sequence[Bubbles]) -> str:
    """Draw the distributions that make a style, owner against clone, one small plot each."""
    singles = [[(bubble,) for reply in side for bubble in reply if bubble.strip()] for side in (owner, clone)]
    spoken = [[reply for reply in side if join(reply)] for side in (owner, clone)]
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(8.4, 5.2), layout=ConstrainedLayoutEngine(hspace=0.08))
        grid = figure.subplots(2, 3)
        _draw_lengths(grid[0, 0], spoken)
        for axes, title, sides, name in (
            (grid[0, 1], "bubbles per turn", spoken, count_bubbles),
            (grid[0, 2], "emoji per turn", spoken, count_emoji),
            (grid[1, 0], "a bubble begins with", singles, name_case),
            (grid[1, 1], "a bubble ends with", singles, name_ending),
            (grid[1, 2], "script of a turn", spoken, name_script),
        ):
            _draw_shares(axes, title, [share(side, name) if side else {} for side in sides])
        figure.legend(*grid[0, 1].get_legend_handles_labels(), loc="outside upper right", ncols=2)
        return _to_svg(figure, "traits")


def plot_delays(owner: Sequence[Delay], clone: Sequence[Delay]) -> str:
    """Draw the time to answer by local hour: the median as a dot, the middle half of the answers as a bar."""
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
    """Save a small picture: a title and up to three numbers.

    Args:
        path: PNG file, 1200 by 480 pixels.
        title: One line above.
        numbers: `(number, what it is, what it was before)` each.
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
    # The salt keeps the ids of several drawings in one page apart, and the text the same each time. Ids of groups are
    # numbers that recur, and nothing refers to them.
    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = re.sub(r"<metadata>.*?</metadata>", "", buffer.getvalue(), flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    return text[text.index("<svg") :]
