"""Every benchmark and every tool starts: its imports hold, and it explains itself."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = [
    "chaos.py",
    "daemon.py",
    "encryption.py",
    "fuzz_import.py",
    "guard.py",
    "import.py",
    "kernels.py",
    "serve_cpu.py",
    "train.py",
]


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_explains_itself(name: str) -> None:
    script = str(ROOT / "benchmarks" / name)
    run = subprocess.run([sys.executable, script, "--help"], capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.startswith(f"usage: {name}")


@pytest.mark.parametrize("module", ["tools.tiny.pretrain", "tools.tiny.tokenizer"])
def test_tool_explains_itself(module: str) -> None:
    command = [sys.executable, "-m", module, "--help"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert run.returncode == 0, run.stderr
    assert "--corpus" in run.stdout
