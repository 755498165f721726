"""Plots: what each drawing holds, that it is reproducible, and the size of the summary picture."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

from training.judging.likeness import Bubbles
from training.judging.plots import CurvePoint, Delay, plot_delays, plot_losses, plot_traits, save_summary

CURVE = [CurvePoint(0, None, 3.4), CurvePoint(1, 3.3), CurvePoint(2, 3.1, 3.0)]
OWNER: list[Bubbles] = [("го в кино)))", "в 8"), ("ок",), ("не, сплю",)]
CLONE: list[Bubbles] = [("Да, конечно.",), (), ("хорошо 😀",)]


def texts(svg: str) -> list[str]:
    """Return the texts of a drawing."""
    return [text.strip() for text in re.findall(r"<text[^>]*>([^<]*)</text>", svg)]


def test_a_curve_names_each_line_that_was_measured() -> None:
    drawn = texts(plot_losses(CURVE, before=3.2))

    assert {"training", "held out", "held out, before", "update", "nats per supervised token"} <= set(drawn)


def test_a_curve_without_an_active_adapter_has_no_line_for_it() -> None:
    assert "held out, before" not in texts(plot_losses(CURVE, before=None))


def test_a_curve_of_training_alone_names_no_held_out_line() -> None:
    drawn = texts(plot_losses(CURVE[1:2], before=None))

    assert "training" in drawn
    assert "held out" not in drawn


def test_drawings_are_svg_elements_and_equal_each_time() -> None:
    drawings: tuple[Callable[[], str], ...] = (
        lambda: plot_losses(CURVE, before=3.2),
        lambda: plot_traits(CLONE, OWNER),
        lambda: plot_delays([Delay(9, 5.0)], [Delay(10, 60.0)]),
    )
    for draw in drawings:
        svg = draw()
        assert svg.startswith("<svg")
        assert "<metadata" not in svg
        assert svg == draw()


def test_traits_have_a_plot_each_and_a_name_for_each_value() -> None:
    drawn = texts(plot_traits(CLONE, OWNER))

    assert {"bubbles per turn", "emoji per turn", "a bubble begins with", "script of a turn"} <= set(drawn)
    assert {"owner", "clone", "lower", "capital", "cyrillic"} <= set(drawn)


def test_traits_hold_no_message_text() -> None:
    svg = plot_traits(CLONE, OWNER)

    assert "кино" not in svg
    assert "конечно" not in svg


def test_a_clone_that_never_speaks_can_be_drawn() -> None:
    assert plot_traits([(), ()], OWNER).startswith("<svg")


def test_delays_of_one_side_name_that_side_alone() -> None:
    drawn = texts(plot_delays([Delay(9, 5.0), Delay(9, 500.0), Delay(20, 0.0)], []))

    assert "owner" in drawn
    assert "clone" not in drawn


def test_the_summary_is_a_png_of_a_fixed_size(tmp_path: Path) -> None:
    path = tmp_path / "summary.png"
    save_summary(path, "New adapter a1: passed", [("81%", "likeness in style", "before: 70%")])
    head = path.read_bytes()[:24]

    assert head[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(head[16:20]), int.from_bytes(head[20:24])) == (1200, 480)
