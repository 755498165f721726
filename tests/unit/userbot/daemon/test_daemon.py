"""The daemon is what commands ask for, and its end is explained by the error that matters.

How it answers, stops and recovers is shown by tests/e2e/test_daemon*.py.
"""

from __future__ import annotations

import pytest
from daemon_fakes import FakeDaemon

from userbot.daemon.command_context import RunningDaemon
from userbot.daemon.daemon import Daemon, pick_cause
from userbot.domain.errors import OfflineError, SessionLostError


@pytest.mark.parametrize("implementation", [Daemon, FakeDaemon])
def test_daemon_and_its_fake_offer_all_that_commands_ask_for(implementation: type[RunningDaemon]) -> None:
    asked = {name for name in vars(RunningDaemon) if not name.startswith("_")}
    assert len(asked) >= 8
    assert {name for name in asked if callable(getattr(implementation, name, None))} == asked


def test_lost_session_explains_the_end_before_all_other_errors() -> None:
    lost, offline, bug = SessionLostError("revoked"), OfflineError("no connection"), ValueError("a bug")
    inner = ExceptionGroup("inner", [bug, lost])
    assert pick_cause(ExceptionGroup("outer", [offline, inner])) is lost
    assert pick_cause(ExceptionGroup("outer", [bug, offline])) is offline
    assert pick_cause(ExceptionGroup("outer", [bug])) is bug
