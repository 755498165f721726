"""A training process whose program the test writes: a package that stands before ours on the path of processes."""

from __future__ import annotations

import json
from pathlib import Path

from training.events import Event, Note
from userbot.retraining.process import TrainingProcess

PROGRAM = '''
"""Stands in for the training package."""
import json, os, signal, sys, time
def say(**event): print(json.dumps(event), flush=True)
def say_arguments(): say(event="note", text=json.dumps([os.path.basename(sys.argv[0]), *sys.argv[1:]]))
{body}
'''


class ScriptedHome:
    """A home folder, and a package named `training` that is found before ours where `<folder>/path` is on PYTHONPATH.

    Args:
        folder: Where both are made.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "home"
        self._package = folder / "path" / "training"
        (self._package / "judging").mkdir(parents=True)
        (self._package / "__init__.py").touch()
        self.heard: list[Event] = []

    def program(self, body: str, *, comparison: str | None = None) -> TrainingProcess:
        """Let training be a program of these lines; and comparison of others, or of the same."""
        for name, lines in (("__main__.py", body), ("judging/compare.py", body if comparison is None else comparison)):
            (self._package / name).write_text(PROGRAM.format(body=lines))
        return TrainingProcess(self.path, arguments=("--set", "epochs=1"), nice=5, stop_timeout_s=0.3)

    def arguments(self) -> list[str]:
        """Return the program's name and arguments, as it said them."""
        [note] = self.heard
        assert isinstance(note, Note)
        words: list[str] = json.loads(note.text)
        return words
