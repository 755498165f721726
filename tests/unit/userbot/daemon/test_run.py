"""The daemon before it connects: what it needs, and what it says where that is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from daemon_stage import make_settings
from fakes_reply import ScriptedGenerator

from userbot.config.settings import load_settings
from userbot.daemon.run import run_daemon
from userbot.domain.errors import ConfigError, NoAdapterError
from userbot.store import Store
from userbot.store.facts import DAEMON


async def test_daemon_without_an_adapter_says_how_to_train(tmp_path: Path) -> None:
    with pytest.raises(NoAdapterError) as caught:
        await run_daemon(make_settings(tmp_path))
    assert str(caught.value) == (
        "There is no adapter yet: the clone has not learned to write like you. Train one with `clone train`, "
        "or try everything without an account: `clone demo`."
    )


async def test_former_names_of_settings_are_logged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("CLONE_REPLY__ZONE", "Europe/Moscow")
    with caplog.at_level("WARNING", "userbot.daemon"), pytest.raises(NoAdapterError):
        await run_daemon(load_settings(tmp_path))
    assert caplog.messages == ["CLONE_REPLY__ZONE is called CLONE_ZONE now; the former name still works."]


async def test_run_that_never_served_leaves_the_state_of_another_daemon_alone(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"my\.telegram\.org"):
        await run_daemon(load_settings(tmp_path), generator=ScriptedGenerator())
    with Store.open(tmp_path / "clone.db") as store:
        assert store.facts.get(DAEMON) is None
