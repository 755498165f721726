"""The `clone` command. Each module holds the commands of one subject."""

from __future__ import annotations

import logging
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from userbot.cli import chat, data, dataset, demo, encryption, guarding, model, privacy, service, setup
from userbot.cli.screen import Session, errors
from userbot.config.process import harden_process
from userbot.domain.errors import CloneError, ExitCode

app = typer.Typer(
    name="clone",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,  # locals could hold messages
    rich_markup_mode="rich",
    help="""Learns to write like you from your own chats, and answers the chats that you choose.

[b]First time?[/b]  [cyan]clone demo[/cyan] shows everything on this machine, without an account.

[b]Your own clone:[/b]  [cyan]clone import result.json[/cyan] → [cyan]clone chats consent CHAT --by WHO[/cyan] →
[cyan]clone train[/cyan] → [cyan]clone chat[/cyan] → [cyan]clone login[/cyan] → [cyan]clone chats allow CHAT[/cyan] →
[cyan]clone run[/cyan]""",
)


def _show_version(requested: bool) -> None:
    if requested:
        typer.echo(f"telegram-clone {version('telegram-clone')}")
        raise typer.Exit


@app.callback()
def _start(
    context: typer.Context,
    home: Annotated[
        Path | None, typer.Option(help="Folder of the database, session and adapters; default ~/.telegram-clone.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and stop.")
    ] = False,
) -> None:
    context.obj = Session(home)


for part in (demo, setup, data, dataset, model, chat, service, privacy, guarding, encryption):
    part.register(app)


def main() -> None:
    """Run the command line; every expected failure ends with one clear text and its exit code.

    Raises:
        SystemExit: Always, with the exit code; see `userbot.domain.errors.ExitCode`.
    """
    harden_process()
    # Threads of torch that spin while they wait would slow each other down, and all other work of the machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    # Commands report errors themselves; the daemon sets up a log of its own.
    logging.getLogger("telethon").setLevel(logging.CRITICAL)
    try:
        app()
    except CloneError as exc:
        errors.print(f"[bold red]Error:[/] {escape(str(exc))}", soft_wrap=True)
        sys.exit(exc.exit_code)
    except KeyboardInterrupt:
        errors.print("Stopped.")
        sys.exit(ExitCode.STOPPED)
