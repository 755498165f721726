"""Commands on the model: train, adapters, chat."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the commands."""
