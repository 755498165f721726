"""The packages that training needs and the daemon does without."""

from __future__ import annotations

from importlib.util import find_spec

from userbot.domain.errors import MissingExtraError

NEEDED = ("torch", "transformers", "peft", "accelerate")


def check_extras(*more: str) -> None:
    """Make sure that what training imports is installed, without importing it.

    Args:
        more: Further packages that this run needs.

    Raises:
        MissingExtraError: Packages are missing; the text names them and the command that installs them.
    """
    missing = [name for name in (*NEEDED, *more) if find_spec(name) is None]
    if missing:
        raise MissingExtraError(describe_missing(", ".join(missing)))


def describe_missing(names: str) -> str:
    """Return a text that says what is missing and how it is installed.

    Args:
        names: Packages, comma-separated.
    """
    return f"Training and local replies need {names}: pip install '.[train]' in the program's folder."
