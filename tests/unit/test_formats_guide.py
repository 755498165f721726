"""docs/formats.md names every format, every era, and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

from fixtures.exports.shapes import ERAS

from userbot.importers import FORMATS

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests" / "unit" / "userbot" / "importers"
ROWS = [
    [cell.strip() for cell in line.strip("| \n").split(" | ")]
    for line in (ROOT / "docs" / "formats.md").read_text(encoding="utf-8").splitlines()
    if line.startswith("| ")
]


def ticked(text: str) -> list[str]:
    return re.findall(r"`([^`]+)`", text)


def test_table_of_formats_names_each_once() -> None:
    named = [ticked(row[1])[0] for row in ROWS if len(row) == 3 and ticked(row[1]) and row[0] != "format"]
    assert tuple(named) == FORMATS


def test_table_of_eras_names_each_era_that_is_tested() -> None:
    named = [era for row in ROWS if len(row) == 4 and row[0] == "Telegram JSON" for era in ticked(row[1])]
    assert named == list(ERAS)


def test_every_test_that_the_table_names_exists() -> None:
    named = {name for row in ROWS if len(row) == 4 and row[0] != "format" for name in ticked(row[3])}
    source = "".join(path.read_text(encoding="utf-8") for path in TESTS.rglob("test_*.py"))
    assert len(named) > 15
    assert {name for name in named if f"def {name}(" not in source} == set()
