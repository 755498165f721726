"""The tests mirror the tree: each module has its test file, and each test file its module."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
UNIT = ROOT / "tests" / "unit"
PACKAGES = ("userbot", "training")
TOOLS = "tools"

CONTRACT = "test_contract.py"
"""Name of a suite that is run on every implementation of a Protocol, and stands in the Protocol's package."""

COVERED_ELSEWHERE: dict[str, str] = {}
"""Modules that only a whole flow can sensibly show, with the test of that flow. Keep it short."""

MOST_COVERED_ELSEWHERE = 12


def _list_modules(*folders: str) -> dict[str, str]:
    """Return the path of the test file by the path of each module in folders, both relative to the top."""
    modules = sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    return {
        path.relative_to(ROOT).as_posix(): (UNIT / path.relative_to(ROOT).parent / f"test_{path.stem.strip('_')}.py")
        .relative_to(ROOT)
        .as_posix()
        for path in modules
        if path.name != "__init__.py"
    }


def test_every_module_has_a_test_file_of_its_name() -> None:
    modules = _list_modules(*PACKAGES)
    assert len(modules) > 150
    missing = [
        f"{module}: {test}"
        for module, test in modules.items()
        if module not in COVERED_ELSEWHERE and not (ROOT / test).is_file()
    ]
    assert missing == [], f"{len(missing)} modules have no test file of their name:\n" + "\n".join(missing)


def test_every_test_file_belongs_to_a_module() -> None:
    expected = set(_list_modules(*PACKAGES, TOOLS).values())
    strays = [
        path.relative_to(ROOT).as_posix()
        for path in sorted(UNIT.rglob("test_*.py"))
        if path.parent != UNIT and path.name != CONTRACT and path.relative_to(ROOT).as_posix() not in expected
    ]
    assert strays == [], f"{len(strays)} test files belong to no module:\n" + "\n".join(strays)


def test_list_of_modules_that_are_covered_elsewhere_is_short_and_true() -> None:
    modules = _list_modules(*PACKAGES)
    assert len(COVERED_ELSEWHERE) <= MOST_COVERED_ELSEWHERE
    for module, test in COVERED_ELSEWHERE.items():
        assert module in modules, module
        assert (ROOT / test).is_file(), test
        assert not (ROOT / modules[module]).is_file(), f"{module} has a test file of its own"
