"""Each process makes private files and leaves no core dump: the command line, the training process, the comparison."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

STATE = """
import resource, ctypes, os, sys
print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), oct(os.umask(0)))
"""


def _run(code: str, *arguments: str, home: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**os.environ, "CLONE_HOME": str(home)}, umask=0, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.skipif(sys.platform != "linux", reason="prctl is of Linux")
@pytest.mark.parametrize(
    "entry",
    [
        "from userbot.config.process import harden_process\nharden_process()",
        "from userbot.cli import main\nsys.argv = ['clone', '--version']\ntry: main()\nexcept SystemExit: pass",
        "from training.__main__ import main\nmain(['--home', sys.argv[1]])",
        "from training.judging.compare import main\nmain(['--home', sys.argv[1], '--candidate', 'none'])",
    ],
)
def test_process_is_hardened(entry: str, tmp_path: Path) -> None:
    ran = _run(f"import sys\n{entry}\n{STATE}", str(tmp_path / "home"), home=tmp_path / "home")
    assert ran.stdout.splitlines()[-1:] == ["(0, 0) 0 0o77"], ran.stderr


def test_command_under_a_generous_umask_leaves_private_files_only(tmp_path: Path) -> None:
    home = tmp_path / "home"
    ran = _run("from userbot.cli import main; main()", "chats", "list", home=home)
    assert ran.returncode == 0, ran.stderr
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (home, *home.iterdir())}
    assert modes == {"home": 0o700, "clone.db": 0o600}
