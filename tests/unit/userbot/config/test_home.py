"""Every path under the home folder stands in one module, and keeps the name that existing homes have."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from userbot.config.home import DEFAULT_HOME, HomePaths

ROOT = Path(__file__).parents[4]
HOME_MODULE = ROOT / "userbot" / "config" / "home.py"
FILE_NAMES = (
    "clone.db",
    "telegram.session",
    "schedule.db",
    "trial.json",
    "report.html",
    "sheet.html",
    "summary.png",
)


def _list_literals(module: Path) -> Iterator[str]:
    """Yield the string literals of a module without its docstrings."""
    tree = ast.parse(module.read_text("utf-8"))
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docstrings:
            yield node.value


def test_names_of_files_in_the_home_folder_stand_in_one_module() -> None:
    modules = [path for package in ("userbot", "training") for path in (ROOT / package).rglob("*.py")]
    assert len(modules) > 100
    elsewhere = [
        (str(path.relative_to(ROOT)), literal)
        for path in modules
        if path != HOME_MODULE
        for literal in _list_literals(path)
        if literal.endswith(FILE_NAMES)
    ]
    assert elsewhere == []


def test_the_module_itself_holds_them_all() -> None:
    assert set(FILE_NAMES) <= set(_list_literals(HOME_MODULE))


def test_paths_are_those_of_existing_homes(tmp_path: Path) -> None:
    paths = HomePaths(tmp_path)
    named = {
        paths.env_file: ".env",
        paths.database: "clone.db",
        paths.session: "telegram.session",
        paths.schedule: "schedule.db",
        paths.encryption: "encryption.json",
        paths.adapters: "adapters",
        paths.runs: "runs",
        paths.reports: "reports",
        paths.models: "models",
        paths.backups: "backups",
    }
    assert {path.relative_to(tmp_path).as_posix() for path in named} == set(named.values())
    assert [path.name for path in named] == list(named.values())


def test_report_of_an_adapter_has_a_folder_of_its_own(tmp_path: Path) -> None:
    report = HomePaths(tmp_path).report("a1")
    assert report.folder == tmp_path / "reports" / "a1"
    files = (report.comparison, report.page, report.sheet, report.summary)
    assert [path.name for path in files] == ["trial.json", "report.html", "sheet.html", "summary.png"]
    assert {path.parent for path in files} == {report.folder}


def test_default_home_is_in_the_owners_folder() -> None:
    assert DEFAULT_HOME.expanduser() == Path.home() / ".telegram-clone"
