"""The last part of the demo, with a daemon of scripted answers in place of the trained one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import daemon_process
import pytest

from userbot.config.settings import Settings, load_settings
from userbot.demo.export import FRIEND_BURST, FRIEND_ID, FRIEND_NAME, STRANGER_NAME
from userbot.demo.scene import DemoError, Scene, write_settings
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.store import Store

DAEMON = str(Path(daemon_process.__file__))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a demo's home folder, with the friend on the allow-list."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    monkeypatch.setenv("LOG_LEVEL", "info")
    write_settings(tmp_path)
    settings = load_settings(tmp_path, reply={"quiet_s": 0.3, "pace": 0.0})
    monkeypatch.setenv("CLONE_REPLY__QUIET_S", "0.3")
    monkeypatch.setenv("CLONE_REPLY__PACE", "0")
    with Store.open(settings.paths.database) as store:
        store.chats.save([Chat(id=FRIEND_ID, kind=ChatKind.PRIVATE, title=FRIEND_NAME)])
        store.chats.set_mode(FRIEND_ID, Mode.AUTO)
    return settings


def test_settings_of_the_demo_are_private_and_lead_to_the_local_telegram(tmp_path: Path) -> None:
    write_settings(tmp_path)
    settings = load_settings(tmp_path)
    assert settings.paths.env_file.stat().st_mode & 0o777 == 0o600
    assert settings.telegram.endpoint_file == tmp_path / "loopback.json"
    assert (settings.base, settings.telegram.api_id) == ("tiny", 1)


@pytest.mark.slow
async def test_friend_is_answered_and_the_stranger_is_not(settings: Settings) -> None:
    lines: list[str] = []
    command = (sys.executable, DAEMON, str(settings.home))
    await Scene(settings, show=lines.append, command=command, settle_s=0.5).play(interactive=False)
    shown = "\n".join(lines)
    assert f"re: {FRIEND_BURST[-1]} [1]" in shown and f"re: {FRIEND_BURST[-1]} [2]" in shown
    assert shown.count(f"[b]{FRIEND_NAME}[/]: ") == 4
    assert lines[-1] == f"\n{FRIEND_NAME} was answered. {STRANGER_NAME} got nothing, not even a read mark."


async def test_friend_may_sit_at_the_keyboard(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["Привет!", ""])
    monkeypatch.setattr("builtins.input", lambda: next(typed))
    lines: list[str] = []
    command = (sys.executable, DAEMON, str(settings.home))
    await Scene(settings, show=lines.append, command=command, settle_s=0.5).play(interactive=True)
    assert any("re: Привет! [1]" in line for line in lines)
    assert f"[b]{FRIEND_NAME}[/]: Привет!" not in lines, "what was typed is on the screen already"


async def test_daemon_that_does_not_start_is_told_with_its_log(settings: Settings) -> None:
    command = (sys.executable, "-c", "raise SystemExit(2)")
    with pytest.raises(DemoError) as caught:
        await Scene(settings, show=lambda _: None, command=command).play(interactive=False)
    assert str(caught.value) == (f"The daemon did not start (exit code 2). Its log: {settings.home / 'daemon.log'}")
