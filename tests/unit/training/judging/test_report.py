"""The likeness report: what the page holds, what the sheet must not hold, and that a real browser shows it."""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest
from fakes import START, bubble

from training.config import GateConfig
from training.judging.gate import Exchange, Figures, judge
from training.judging.likeness import Bubbles, measure_likeness
from training.judging.plots import CurvePoint, Delay
from training.judging.report import ReportData, list_rows, make_pairs, make_report, measure_delays
from userbot.config.home import ReportPaths
from userbot.domain.messages import Origin

PLACES = ("кино", "парк", "бар", "дом", "спорт", "каток")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def exchange(number: int) -> Exchange:
    """Make a context, the owner's casual reply and two imitations."""
    place = PLACES[number % len(PLACES)]
    asked: tuple[tuple[bool, Bubbles], ...] = (
        (False, (f"привет, номер {number}",)),
        (True, ("даров",)),
        (False, ("что вечером?", f"пойдём в {place}?")),
    )
    return Exchange(
        context=asked,
        owner=(f"го в {place})))", f"буду к {number % 12 + 8}") if number % 3 else ("не, сплю сегодня",),
        candidate=(f"го, {place} норм)))",) if number % 4 else ("ок", f"тогда в {number % 12 + 6}"),
        active=("Да, конечно.",),
    )


@pytest.fixture(scope="module")
def data() -> ReportData:
    exchanges = [exchange(number) for number in range(40)]
    owner = [entry.owner for entry in exchanges]
    margins = GateConfig()  # type: ignore[call-arg]  # every field has a default
    verdict = judge(
        Figures(
            adapter_id="20260105-120000-ab12",
            loss=2.31,
            bits_per_char=1.92,
            likeness=measure_likeness([entry.candidate for entry in exchanges], owner),
        ),
        Figures(
            adapter_id="20260104-120000-cd34",
            loss=2.77,
            bits_per_char=2.31,
            likeness=measure_likeness([entry.active for entry in exchanges], owner),
        ),
        margins,
        owner=measure_likeness(owner[::-1], owner),
    )
    curve = [
        CurvePoint(step, 3.4 * 0.97**step + 0.9, 3.6 * 0.97**step + 1.3 if step % 10 == 0 else None)
        for step in range(1, 41)
    ]
    hours = [Delay(hour, 5.0 * (hour % 7 + 1) * factor) for hour in range(8, 24) for factor in (1, 4, 30)]
    return ReportData(
        adapter_id="20260105-120000-ab12",
        base="tiny",
        created_at="2026-01-05T12:00:00+00:00",
        verdict=verdict,
        exchanges=exchanges,
        curve=curve,
        owner_delays=hours,
        clone_delays=[Delay(delay.hour, delay.seconds * 1.2) for delay in hours],
    )


class Links(HTMLParser):
    """Collects what a page would load."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "srcset", "action")]


def test_the_page_is_self_contained(data: ReportData, tmp_path: Path) -> None:
    page = make_report(data, ReportPaths(tmp_path)).read_text("utf-8")

    links = Links()
    links.feed(page)
    assert all(link.startswith("#") for link in links.addresses if not link.endswith(".html"))
    assert "url(http" not in page
    assert page.count("<svg") == 3
    assert "@import" not in page


def test_ids_of_the_drawings_do_not_collide(data: ReportData, tmp_path: Path) -> None:
    ids = re.findall(r'\bid="([^"]+)"', make_report(data, ReportPaths(tmp_path)).read_text("utf-8"))

    assert sorted(ids) == sorted(set(ids))


def test_the_three_numbers_are_those_of_the_verdict(data: ReportData, tmp_path: Path) -> None:
    page = make_report(data, ReportPaths(tmp_path)).read_text("utf-8")

    numbers = re.findall(r'<div class="number">([^<]+)</div>', page)
    new = data.verdict.candidate
    assert numbers == [f"{new.likeness.score:.0%}", f"{new.likeness.auc:.0%}", "1.92"]


def test_the_sheet_holds_the_questions_and_no_key(data: ReportData, tmp_path: Path) -> None:
    make_report(data, ReportPaths(tmp_path))
    sheet = (ReportPaths(tmp_path).sheet).read_text("utf-8")

    assert sheet.count('class="card pair"') == 20
    assert 'id="key"' not in sheet
    assert data.adapter_id not in sheet


def test_the_key_names_the_side_of_the_owners_reply(data: ReportData) -> None:
    pairs = make_pairs(data.exchanges, seed=1)

    own = {entry.owner for entry in data.exchanges}
    assert all((pair.a if pair.key == "A" else pair.b) in own for pair in pairs)
    assert {pair.key for pair in pairs} == {"A", "B"}


def test_silence_and_equal_words_are_no_question() -> None:
    silent = Exchange(context=(), owner=("да",), candidate=(), active=())
    equal = Exchange(context=(), owner=("да",), candidate=("да",), active=())

    assert make_pairs([silent, equal], seed=1) == []


def test_message_text_cannot_become_markup(data: ReportData, tmp_path: Path) -> None:
    nasty = Exchange(
        context=((False, ("<script>alert(1)</script>",)),), owner=("</style><b>x",), candidate=("ok",), active=()
    )
    changed = ReportData(adapter_id="x", base="tiny", created_at="", verdict=data.verdict, exchanges=[nasty])

    make_report(changed, ReportPaths(tmp_path))

    for name in ("report.html", "sheet.html"):
        page = (tmp_path / name).read_text("utf-8")
        assert "alert(1)</script>" not in page
        assert "</style><b>" not in page
        assert html.escape("<script>alert(1)") in page


def test_files_are_for_the_owner_only(data: ReportData, tmp_path: Path) -> None:
    make_report(data, ReportPaths(tmp_path / "new"))

    modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "new").iterdir()}
    assert modes == {"report.html": 0o600, "sheet.html": 0o600, "summary.png": 0o600}


def test_the_rows_compare_this_adapter_the_one_before_and_the_owner(data: ReportData) -> None:
    rows = {name: values for name, *values in list_rows(data.verdict)}

    assert rows["loss, nats per supervised token"] == ["2.310", "2.770", ""]
    new, old, owner = rows["likeness"]
    assert float(new) > float(old)
    assert data.verdict.owner is not None
    assert owner == f"{data.verdict.owner.score:.2f}"
    assert rows["empty replies"] == ["0%", "0%", "0%"]


def test_a_figure_that_was_not_measured_is_a_dash(data: ReportData) -> None:
    rows = {name: values for name, *values in list_rows(replace(data.verdict, owner=None))}

    assert rows["likeness"][2] == "–"


def test_delays_are_measured_from_the_last_question_by_who_answered() -> None:
    day = timedelta(days=1).total_seconds()
    messages = [
        bubble(1, "hi", at_s=0),
        bubble(2, "there?", at_s=10),
        bubble(3, "yes", origin=Origin.OWNER, at_s=40),
        bubble(4, "and now?", at_s=3600),
        bubble(5, "too", origin=Origin.CLONE, at_s=3605),
        bubble(6, "good morning", at_s=day),
        bubble(7, "late", origin=Origin.OWNER, at_s=3 * day),
    ]

    delays = measure_delays(messages, UTC)

    assert delays[Origin.OWNER] == [Delay(START.hour, 30.0)]
    assert delays[Origin.CLONE] == [Delay(START.hour + 1, 5.0)]


def open_in_browser(page: Path, *options: str) -> str:
    """Open a page headless and return the document after its scripts ran."""
    assert BROWSER is not None
    command = [BROWSER, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    command += ["--virtual-time-budget=2000", f"--user-data-dir={page.parent / 'profile'}", *options, page.as_uri()]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(BROWSER is None, reason="no chromium on PATH; `apt-get install chromium` brings it")
def test_a_browser_shows_the_report_and_scores_a_friends_answers(data: ReportData, tmp_path: Path) -> None:
    page = make_report(data, ReportPaths(tmp_path))
    # A reader who always takes the reply that the key names.
    reader = """<script>for (const one of key) document.querySelector(
        `input[name=pair${one.slice(0, -1)}][value=${one.slice(-1)}]`).click();
        document.title = document.querySelectorAll("svg")[0].getBoundingClientRect().width > 500 ? "wide" : "narrow";
        </script></main>"""
    page.write_text(page.read_text("utf-8").replace("</main>", reader), "utf-8")

    shown = open_in_browser(page, "--dump-dom")

    assert "20 of 20 right; 20 questions" in shown
    assert "<title>wide</title>" in shown
