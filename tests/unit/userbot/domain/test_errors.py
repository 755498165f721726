"""The exit codes: what the tree of errors draws and docs/service.md explains is what the classes say."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from userbot.domain import errors
from userbot.domain.errors import CloneError, ExitCode

SERVICE = (Path(__file__).parents[4] / "docs" / "service.md").read_text("utf-8")
NOT_ERRORS = {ExitCode.DONE, ExitCode.WORSE}


def all_errors(of: type[CloneError] = CloneError) -> Iterator[type[CloneError]]:
    """Yield the errors of the tree; those that a module keeps to itself are not drawn."""
    if of.__module__ == errors.__name__:
        yield of
        for subclass in of.__subclasses__():
            yield from all_errors(subclass)


def test_tree_in_the_docstring_draws_every_error_with_its_code() -> None:
    drawn = re.findall(r"(\w+Error)\b(?: \(\w+\))? +exit (\d+)", errors.__doc__ or "")
    assert sorted((name, int(code)) for name, code in drawn) == sorted(
        (error.__name__, int(error.exit_code)) for error in all_errors()
    )


def test_guide_explains_every_code_once() -> None:
    table = SERVICE.split("## Exit codes", 1)[1].split("\n## ", 1)[0]
    assert [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.MULTILINE)] == sorted(ExitCode)


def test_every_code_is_used() -> None:
    assert {error.exit_code for error in all_errors()} | NOT_ERRORS == set(ExitCode)
