"""`python -m userbot` is the command `clone`."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path


def test_module_runs_the_command_line(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "userbot", "--version"]
    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, f"telegram-clone {version('telegram-clone')}\n"), run.stderr


def test_importing_the_daemon_and_the_command_line_loads_no_torch(tmp_path: Path) -> None:
    script = "import sys, userbot.cli, userbot.daemon.run; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-P", "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert run.stdout == "False\n", run.stderr
