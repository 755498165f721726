"""What the commands share: the terms are shown once, former names are noted, and no text controls the terminal."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import typer

from userbot.cli import app
from userbot.cli.screen import SafeConsole, Session, byte_progress, session_of, show_terms_once
from userbot.store import Store
from userbot.store.facts import TERMS_SHOWN


def test_text_of_others_can_not_control_the_terminal() -> None:
    stream = io.StringIO()
    console = SafeConsole(file=stream, force_terminal=True, color_system="standard", width=80)
    console.print("[b]x\x1b[2J\x9b31m\u202ey\x07[/b]")
    without_style = re.sub(r"\x1b\[\d+m", "", stream.getvalue())
    assert without_style == "x[2J31my\n"


def test_terms_are_shown_the_first_time_only(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.facts.set(TERMS_SHOWN, None)
    for _ in range(2):
        show_terms_once(store)
    assert capsys.readouterr().err.count("Before you start") == 1
    assert store.facts.get(TERMS_SHOWN) is not None


def test_former_names_of_settings_are_noted_once(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLONE_SCHEDULE__GO_ON", "true")
    session = Session(home)
    for _ in range(2):
        assert session.settings.schedule.continue_from_active is True
    captured = capsys.readouterr()
    note = "CLONE_SCHEDULE__GO_ON is called CLONE_SCHEDULE__CONTINUE_FROM_ACTIVE now; the former name still works."
    assert (captured.out, captured.err) == ("", f"Note: {note}\n")


def test_store_of_a_session_is_the_home_folders(home: Path) -> None:
    with Session(home).store() as store:
        assert store.chats.all() == []
    assert (home / "clone.db").is_file()


def test_session_is_the_one_of_the_top_command(home: Path) -> None:
    session, command = Session(home), typer.main.get_command(app)
    assert session_of(typer.Context(command, obj=session)) is session
    with pytest.raises(TypeError, match="outside of `clone`"):
        session_of(typer.Context(command))


def test_progress_by_bytes_leaves_nothing_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    with byte_progress("Reading") as report:
        report(50, 100)
        report(100, 100)
    assert capsys.readouterr().out == ""
