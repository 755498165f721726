"""README, .env.example and the decisions say what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from userbot.config.settings import write_example

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
ARCHITECTURE = (ROOT / "docs" / "architecture.md").read_text("utf-8")
PACKAGES = ("userbot", "training")


def _read_tree(text: str) -> set[str]:
    """Return the paths of the first indented list of folders and modules in a page, folders with a slash."""
    entries: set[str] = set()
    parents: list[str] = []
    for line in text.split("```")[1].splitlines():
        match = re.match(r"^( *)([\w.]+/?)(?: |$)", line)
        if match:
            depth = len(match[1]) // 2
            parents[depth:] = [match[2]]
            entries.add("".join(parents))
    return entries


def _list_tracked() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return [Path(name) for name in listed.stdout.split("\0")[:-1]]


def test_file_map_of_the_readme_names_the_top_folders() -> None:
    assert _read_tree(README.split("## File map", 1)[1]) == {
        f"{p.parts[0]}/" for p in _list_tracked() if len(p.parts) > 1
    }


def test_architecture_page_shows_every_folder_of_the_packages_and_no_other() -> None:
    shown = {name for name in _read_tree(ARCHITECTURE.split("## Folders", 1)[1]) if name.endswith("/")}
    modules = [path for path in _list_tracked() if path.suffix == ".py" and path.parts[0] in PACKAGES]
    folders = {f"{folder}/" for path in modules for folder in path.parents if folder != Path()}
    assert (sorted(folders - shown), sorted(shown - folders)) == ([], [])


def test_every_module_that_the_architecture_page_names_exists() -> None:
    named = re.findall(r"`((?:userbot|training|tests|tools|benchmarks|migrations)/[\w./]*)`", ARCHITECTURE)
    assert len(named) > 30
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_env_example_is_what_the_settings_say() -> None:
    assert (ROOT / ".env.example").read_text("utf-8") == write_example()


@pytest.mark.parametrize("name", re.findall(r"\]\(((?!http)[^)#]+)", README))
def test_links_of_the_readme_lead_somewhere(name: str) -> None:
    assert (ROOT / name).exists()


def test_userbot_imports_without_torch() -> None:
    code = """
import importlib, pkgutil, sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "transformers", "peft", "bitsandbytes", "datasets", "pandas", "matplotlib"):
            raise ImportError(name + " is blocked")
sys.meta_path.insert(0, Blocked())
import userbot, training
for module in pkgutil.walk_packages(userbot.__path__, "userbot."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
for name in ("config", "run", "progress", "data.dataset", "data.render", "judging.likeness"):
    importlib.import_module("training." + name)
print("fine")
"""
    run = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False)
    assert (run.stdout, run.stderr) == ("fine\n", "")
