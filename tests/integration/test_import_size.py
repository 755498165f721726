"""Importing large files: memory stays the same, whatever the size."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

BENCHMARK = Path(__file__).parent.parent.parent / "benchmarks" / "import.py"


@pytest.fixture(scope="module")
def benchmark_script() -> dict[str, Any]:
    return runpy.run_path(str(BENCHMARK))


def test_memory_of_an_import_does_not_grow_with_the_file(tmp_path: Path, benchmark_script: dict[str, Any]) -> None:
    peaks = []
    for size_mb in (8, 24):
        path = tmp_path / f"{size_mb}.json"
        rows = benchmark_script["write_export"](path, size_mb * 1_000_000, entities=True)
        _, _, peak_mb, added = benchmark_script["measure"]("import", path)
        assert added == rows
        peaks.append(peak_mb)
    assert peaks[1] < 200
    assert peaks[1] - peaks[0] < 10


def test_benchmark_reads_the_same_messages_both_ways(tmp_path: Path, benchmark_script: dict[str, Any]) -> None:
    path = tmp_path / "small.json"
    rows = benchmark_script["write_export"](path, 1_000_000, entities=False)
    assert benchmark_script["measure"]("pandas", path)[3] == rows
    assert benchmark_script["measure"]("parse", path)[3] == rows
