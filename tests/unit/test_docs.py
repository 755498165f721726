"""README, .env.example and the decisions say what is true."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from userbot.settings import write_example

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")


def _map_entries() -> list[str]:
    block = README.split("## File map", 1)[1].split("```")[1]
    entries: list[str] = []
    parents: list[str] = []
    for line in block.splitlines():
        match = re.match(r"^( *)(\S+)", line)
        if not match:
            continue
        depth = len(match[1]) // 2
        parents[depth:] = [match[2]]
        entries.append("".join(parents))
    return entries


def _tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S607
    return listed.stdout.split("\0")[:-1]


def test_every_path_of_the_file_map_exists() -> None:
    assert [entry for entry in _map_entries() if not (ROOT / entry).exists()] == []


def test_every_folder_and_every_module_of_the_top_packages_is_in_the_file_map() -> None:
    known = set(_map_entries())
    wanted = set()
    for name in _tracked():
        path = Path(name)
        if len(path.parts) == 1:
            wanted.add(name)
            continue
        wanted.add(f"{path.parts[0]}/")
        if path.parts[0] in ("userbot", "training") and path.name != "__init__.py" and len(path.parts) < 4:
            wanted.add(name if len(path.parts) == 2 else f"{path.parts[0]}/{path.parts[1]}/")
    assert sorted(wanted - known) == []


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
