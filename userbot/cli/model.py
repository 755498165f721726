"""Commands on adapters: train one, report on it, list, activate, roll back, delete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from userbot.cli.screen import console, session_of
from userbot.cli.training_view import run_comparison, run_training
from userbot.config.explain import describe_form, list_fields
from userbot.config.home import HomePaths
from userbot.config.settings import Settings
from userbot.domain.errors import ConfigError, NoAdapterError
from userbot.retraining.process import Ended
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.trust.stale_adapters import activate_adapter, find_stale_adapters, refuse_stale
from userbot.trust.stale_adapters import roll_back as go_back

adapters = typer.Typer(no_args_is_help=True, help="What was trained, and which adapter is active.")

AdapterId = Annotated[str, typer.Argument(metavar="ID", help="As `clone adapters list` shows it.")]


def register(app: typer.Typer) -> None:
    """Add the commands.

    Args:
        app: The command line.
    """
    app.command("train")(train)
    app.command("report")(report)
    app.add_typer(adapters, name="adapters")


def train(
    context: typer.Context,
    preset: Annotated[
        str | None, typer.Option(help="default, small (least memory), tiny, or article (its values).")
    ] = None,
    base: Annotated[str | None, typer.Option(help="Base model: tiny, a hub name, or a folder.")] = None,
    epochs: Annotated[float | None, typer.Option(help="Passes over your data.")] = None,
    values: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any other setting, such as lora.r=8; --settings lists them."),
    ] = None,
    config: Annotated[Path | None, typer.Option(help="A TOML file of settings.")] = None,
    parent: Annotated[str | None, typer.Option(help="Continue from this adapter instead of starting afresh.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the run that was interrupted.")] = False,
    gate: Annotated[
        bool, typer.Option(help="Activate it if it is no worse than the active adapter; --no-gate only keeps it.")
    ] = True,
    settings: Annotated[bool, typer.Option("--settings", help="List all settings, and stop.")] = False,
) -> None:
    """Train on the chats with recorded consent, and activate the new adapter if it is no worse than the active one.

    Progress, log and a plot of the loss are kept in a run folder. Ctrl-C writes a checkpoint; `--resume` continues.
    """
    if settings:
        _show_settings()
        return
    chosen = {"--preset": preset, "--config": config, "--base": base, "--parent": parent}
    overrides = [*(values or []), *([] if epochs is None else [f"epochs={epochs}"])]
    # With `=`, so that no value is taken for a flag.
    flags = [f"{flag}={value}" for flag, value in chosen.items() if value is not None]
    flags += [f"--set={override}" for override in overrides]
    if resume and flags:
        raise ConfigError(f"--resume continues the interrupted run as it was set up, so {flags[0]} can't change it.")
    session = session_of(context)
    with session.store():
        pass  # shows the terms once
    home = session.settings.home
    ended = run_training(home, *flags, *(["--resume"] if resume else []))
    finish_training(home, AdapterShelf(session.settings.paths.adapters), ended, gate=gate)


def _show_settings() -> None:
    from training.config import TrainConfig

    for name, field in list_fields(TrainConfig):
        default = field.get_default(call_default_factory=True)
        shown = "" if default is None else default if isinstance(default, str) else json.dumps(default)
        console.print(f"[b]{name}[/] = {escape(shown)}", soft_wrap=True)
        console.print(f"    {escape(field.description or '')} [dim]({escape(describe_form(field))})[/]", soft_wrap=True)
    console.print("\nThese are the defaults; presets change some. docs/training.md says which matter most.")


def finish_training(home: Path, shelf: AdapterShelf, ended: Ended, *, gate: bool) -> Manifest:
    """Show what training made, compare it with the active adapter, and activate it if it is no worse.

    Args:
        home: The home folder.
        shelf: Its adapters.
        ended: How the training process ended.
        gate: Whether the new adapter may be activated at all.

    Returns:
        The new adapter's manifest.

    Raises:
        NoAdapterError: There is no new adapter.
        TrainingFailedError: The comparison ended without a verdict.
    """
    if ended.finished is None:
        raise NoAdapterError("Training ended without an adapter; its log is in the run folder under `runs`.")
    manifest, active = shelf.get(ended.finished.adapter_id), shelf.active()
    with Store.open(HomePaths(home).database) as store:
        refuse_stale(store, manifest)
        if active is not None and store.consents.find_withdrawn(active.data):
            console.print(f"The active adapter, {active.id}, is stale: a consent was withdrawn.")
            active = None
    losses = f"held-out loss {_format_losses(manifest.metrics)} nats per token"
    console.print(f"Adapter [b]{manifest.id}[/] on {escape(manifest.base)}: {losses}")
    if not gate:
        console.print(f"It is kept. `clone adapters use {manifest.id}` activates it.")
    elif active is None and ended.finished.worse:
        console.print("[yellow]It is worse than the bare base, so it is kept and not activated.[/]")
    elif active is None or _passes(home, manifest.id, active.id):
        shelf.activate(manifest.id)
        console.print("It is active. Talk to it: [cyan]clone chat[/]")
    return manifest


def _passes(home: Path, candidate: str, active: str) -> bool:
    console.print(f"Comparing it with the active adapter, {active}…")
    judged = run_comparison(home, candidate, active).judged
    if judged is not None:
        console.print(escape(judged.summary))
        console.print(f"The whole comparison: {escape(judged.report or '')}")
        if judged.passed:
            return True
    console.print(
        f"[yellow]It is kept and not activated.[/] `clone adapters use {candidate}` activates it all the same."
    )
    return False


def report(
    context: typer.Context,
    adapter_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="An adapter; without it, the active one.")
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Compare again, even if it was compared before.")] = False,
) -> None:
    """Write the likeness report: how much the clone writes like you, and a blind test to send to friends.

    The files hold private messages: they are readable by you alone, and whom you send the blind sheet is up to you.
    """
    settings = session_of(context).settings
    shelf = AdapterShelf(settings.paths.adapters)
    active = shelf.active()
    chosen = adapter_id or (active.id if active else None)
    if chosen is None:
        raise NoAdapterError("There is no adapter to report on. Train one: `clone train`.")
    shelf.get(chosen)
    report_paths = settings.paths.report(chosen)
    if fresh or not report_paths.comparison.is_file():
        other = active.id if active is not None and active.id != chosen else None
        judged = run_comparison(settings.home, chosen, other).judged
        console.print(escape(judged.summary if judged else ""))
    else:
        _draw_again(settings, chosen)
    for path in sorted(report_paths.folder.glob("*.[hp]*")):
        console.print(escape(str(path)), soft_wrap=True)


def _draw_again(settings: Settings, adapter_id: str) -> None:
    """Draw the report of an earlier comparison again: answers and their delays have been added since."""
    from training.extras import check_extras

    check_extras()
    from training.judging.record import write_report

    with Store.open(settings.paths.database) as store:
        write_report(store, settings.paths, adapter_id)


@adapters.command("list")
def list_adapters(context: typer.Context) -> None:
    """Show all adapters, oldest first."""
    session = session_of(context)
    shelf = AdapterShelf(session.settings.paths.adapters)
    manifests = shelf.all()
    if not manifests:
        console.print("No adapters yet; `clone train` makes one.")
        return
    active = shelf.active()
    with session.store() as store:
        stale = {one.id for one in find_stale_adapters(store, shelf)}
    table = Table()
    for title in ("id", "base", "made", "held-out loss, nats per token", ""):
        table.add_column(title, no_wrap=title == "id")
    for manifest in manifests:
        made = datetime.fromisoformat(manifest.created_at).astimezone()
        mark = "[green]active[/]" if active is not None and active.id == manifest.id else ""
        mark += " [red]stale: a consent was withdrawn[/]" if manifest.id in stale else ""
        table.add_row(manifest.id, escape(manifest.base), f"{made:%d %b %H:%M}", _format_losses(manifest.metrics), mark)
    console.print(table)


@adapters.command("show")
def show_adapter(context: typer.Context, adapter_id: AdapterId) -> None:
    """Show an adapter's manifest."""
    from dataclasses import asdict

    manifest = AdapterShelf(session_of(context).settings.paths.adapters).get(adapter_id)
    console.print_json(data=asdict(manifest), ensure_ascii=False)


@adapters.command("use")
def activate(context: typer.Context, adapter_id: AdapterId) -> None:
    """Activate an adapter; a running daemon loads it at once."""
    session = session_of(context)
    with session.store() as store:
        manifest = activate_adapter(store, AdapterShelf(session.settings.paths.adapters), adapter_id)
    console.print(f"{manifest.id} is active.")


@adapters.command("rollback")
def roll_back(context: typer.Context) -> None:
    """Activate the newest adapter that was active before and did not learn from a chat without consent."""
    session = session_of(context)
    with session.store() as store:
        manifest = go_back(store, AdapterShelf(session.settings.paths.adapters))
    console.print(f"{manifest.id} is active again.")


@adapters.command("export")
def export_adapter(
    context: typer.Context,
    adapter_id: AdapterId,
    to: Annotated[Path | None, typer.Option(help="Where to; ./ID, or ./ID.gguf with --gguf.")] = None,
    gguf: Annotated[bool, typer.Option("--gguf", help="A LoRA file for llama.cpp, for `llama-server --lora`.")] = False,
    merged: Annotated[
        bool, typer.Option("--merged", help="The base with the adapter added, for engines without adapters.")
    ] = False,
) -> None:
    """Write an adapter for another engine: a folder that vLLM, SGLang and PEFT load, or one of the forms below.

    It may reproduce what stood in your chats: give it to nobody who may not read them.
    """
    if gguf and merged:
        raise ConfigError("--gguf and --merged are two forms; choose one.")
    paths = session_of(context).settings.paths
    shelf = AdapterShelf(paths.adapters)
    manifest = shelf.verify(adapter_id)
    source = shelf.path(adapter_id)
    target = to or Path(f"{adapter_id}.gguf" if gguf else adapter_id)
    from training.extras import check_extras

    check_extras(*(["gguf"] if gguf else []))
    from training.export import folder, llama_cpp
    from training.export.merged import write_merged

    if gguf:
        folder.check_target(target)
        llama_cpp.write_adapter(source, target, base=manifest.base, models=paths.models)
        console.print(f"llama.cpp: llama-server -m BASE.gguf --lora {escape(str(target))}", soft_wrap=True)
    elif merged:
        with console.status("Adding the adapter to the base…"):
            write_merged(manifest, source, target, models=paths.models)
    else:
        folder.write_folder(manifest, source, target)
        for line in folder.find_vllm_limits(json.loads((target / folder.CONFIG).read_text("utf-8"))):
            console.print(escape(line), soft_wrap=True)
    console.print(
        f"Written to {escape(str(target))}. It was learned from private chats: keep it private.", soft_wrap=True
    )


@adapters.command("rm")
def remove_adapter(context: typer.Context, adapter_id: AdapterId) -> None:
    """Delete an adapter that is not active."""
    AdapterShelf(session_of(context).settings.paths.adapters).remove(adapter_id)
    console.print(f"{adapter_id} is deleted.")


def _format_losses(metrics: Mapping[str, Any]) -> str:
    before, after = metrics.get("before"), metrics.get("after")
    return f"{before['loss']:.3f} → {after['loss']:.3f}" if before and after else ""
