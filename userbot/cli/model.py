"""Commands on the model: train, adapters, chat."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from userbot.adapters import AdapterShelf, Manifest
from userbot.cli.screen import console, session_of
from userbot.cli.training_view import Outcome, run_training
from userbot.errors import NoAdapterError

adapters = typer.Typer(no_args_is_help=True, help="What was trained, and what is in service.")

AdapterId = Annotated[str, typer.Argument(metavar="ID", help="As `clone adapters list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("train")(train)
    app.add_typer(adapters, name="adapters")


def train(
    context: typer.Context,
    preset: Annotated[
        str | None, typer.Option(help="default, small (least memory), tiny, or article (its values).")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model: tiny, a hub name, or a folder.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over your data.")] = None,
    values: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as lora.r=8.")
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    parent: Annotated[str | None, typer.Option(help="Go on from this adapter instead of starting afresh.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the run that was interrupted.")] = False,
    promote: Annotated[
        bool, typer.Option(help="Put the new adapter in service, unless it is worse than the one there.")
    ] = True,
) -> None:
    """Learn from the chats with recorded consent, and put the new adapter in service.

    Progress, log and a plot of the loss are kept in a run folder. Ctrl-C writes a checkpoint; `--resume` goes on.
    """
    session = session_of(context)
    with session.store():
        pass  # shows the terms once
    arguments = ["--home", str(session.settings.home)]
    chosen = {"--preset": preset, "--config": config, "--base": base, "--parent": parent}
    for flag, value in chosen.items():
        if value is not None and not resume:
            arguments += [flag, str(value)]
    overrides = [*(values or [])]
    overrides += [f"epochs={epochs}"] if epochs is not None else []
    for override in overrides:
        arguments += ["--set", override]
    if resume:
        arguments.append("--resume")
    outcome = run_training(arguments)
    finish_training(AdapterShelf(session.settings.adapters), outcome, promote=promote)


def finish_training(shelf: AdapterShelf, outcome: Outcome, *, promote: bool) -> Manifest:
    """Say what came out, and put the adapter in service if it may be."""
    if outcome.adapter_id is None:
        raise NoAdapterError("Training ended without an adapter; its log is in the run folder under `runs`.")
    manifest = shelf.get(outcome.adapter_id)
    console.print(f"Adapter [b]{manifest.id}[/] on {escape(manifest.base)}: {_losses(manifest.metrics)}")
    if outcome.worse:
        console.print(
            f"[yellow]It is worse than what is in service, so it is kept aside.[/] "
            f"`clone adapters use {manifest.id}` puts it in service all the same."
        )
    elif promote:
        shelf.promote(manifest.id)
        console.print("It is in service. Talk to it: [cyan]clone chat[/]")
    return manifest


@adapters.command("list")
def list_adapters(context: typer.Context) -> None:
    """Show all adapters, oldest first."""
    shelf = AdapterShelf(session_of(context).settings.adapters)
    known = shelf.all()
    if not known:
        console.print("No adapters yet; `clone train` makes one.")
        return
    current = shelf.current()
    table = Table()
    for title in ("id", "base", "made", "held-out loss", ""):
        table.add_column(title, no_wrap=title == "id")
    for manifest in known:
        made = datetime.fromisoformat(manifest.created_at).astimezone()
        mark = "[green]in service[/]" if current is not None and current.id == manifest.id else ""
        table.add_row(manifest.id, escape(manifest.base), f"{made:%d %b %H:%M}", _losses(manifest.metrics), mark)
    console.print(table)


@adapters.command("show")
def show_adapter(context: typer.Context, adapter_id: AdapterId) -> None:
    """Show everything that the manifest says."""
    from dataclasses import asdict

    manifest = AdapterShelf(session_of(context).settings.adapters).get(adapter_id)
    console.print_json(data=asdict(manifest), ensure_ascii=False)


@adapters.command("use")
def use_adapter(context: typer.Context, adapter_id: AdapterId) -> None:
    """Put an adapter in service; a running daemon takes it over at once."""
    manifest = AdapterShelf(session_of(context).settings.adapters).promote(adapter_id)
    console.print(f"{manifest.id} is in service.")


@adapters.command("rollback")
def roll_back(context: typer.Context) -> None:
    """Put the adapter before the current one back in service."""
    manifest = AdapterShelf(session_of(context).settings.adapters).roll_back()
    console.print(f"{manifest.id} is back in service.")


@adapters.command("rm")
def remove_adapter(context: typer.Context, adapter_id: AdapterId) -> None:
    """Delete an adapter that is not in service."""
    AdapterShelf(session_of(context).settings.adapters).remove(adapter_id)
    console.print(f"{adapter_id} is deleted.")


def _losses(metrics: Any) -> str:
    before, after = metrics.get("before"), metrics.get("after")
    return f"{before['loss']:.3f} → {after['loss']:.3f}" if before and after else ""
