"""The command line in this process: arguments in, text and exit code out."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from userbot.cli import app


class Clone:
    """Runs `clone --home HOME …`; an error of a command is raised as it is.

    Args:
        home: The home folder.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self.code = 0
        self.out = ""
        self.err = ""

    def __call__(self, *arguments: str, answers: str | None = None) -> str:
        """Run a command with typed answers; return its standard output, and keep exit code and standard error."""
        result = CliRunner().invoke(app, ["--home", str(self._home), *arguments], input=answers)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr
        return self.out
