"""Commands on the data set: what would be learned, before it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from userbot.cli.screen import console, errors, session_of

if TYPE_CHECKING:
    from training.data.samples import DataReport, DataSet

dataset = typer.Typer(no_args_is_help=True, help="What would be learned: counts, a look at it, files for other tools.")

Base = Annotated[str | None, typer.Option(help="Base model whose tokens are counted; default as in training.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(dataset, name="dataset")


@dataset.command("stats")
def show_stats(context: typer.Context, base: Base = None) -> None:
    """Show what would be learned from which chat, and what is left out and why."""
    report = _build(context, base).report
    console.print(_chat_table(report))
    console.print(
        f"To learn: {report.train_turns:,} of your turns in {report.train_samples:,} samples, {report.train_tokens:,} "
        f"tokens, {report.learned_tokens:,} of them yours. Held out: {report.held_out_turns:,} turns, the newest."
    )
    lengths = ", ".join(f"{share} %: {tokens:,}" for share, tokens in report.lengths.items())
    console.print(f"Tokens of a sample, by percentile: {lengths}.")
    for reason, count in report.left_out.items():
        console.print(f"Left out: {count:,} {reason}.")


@dataset.command("preview")
def preview(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", min=1, help="How many samples.")] = 3,
    base: Base = None,
) -> None:
    """Show samples as the model reads them; what it learns to write stands between ⟦ and ⟧."""
    from training.data.dataset import preview as show

    for text in show(_build(context, base), count):
        console.print(escape(text))
        console.print("[dim]────[/]")


@dataset.command("export")
def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A .jsonl file, or a folder for `datasets` on disk.")],
    base: Base = None,
) -> None:
    """Write the samples in the messages format that TRL, LLaMA-Factory and axolotl read; held-out ones beside them.

    The files hold your chats in plain text: they are made readable by you alone, and it is up to you to keep them so.
    """
    from training.data.export import export_datasets, export_jsonl

    found = _build(context, base)
    if path.suffix == ".jsonl":
        files = export_jsonl(found, path)
        console.print(f"Written: {', '.join(escape(str(file)) for file in files)}")
    else:
        export_datasets(found, path)
        console.print(f"Written: {escape(str(path))}")


def _build(context: typer.Context, base: str | None) -> DataSet:
    from training.extras import check_extras

    check_extras()
    from training.config import adapt_to_base, make_config
    from training.data.dataset import build
    from training.data.render import Renderer
    from training.learning.model import load_tokenizer, resolve_base

    session = session_of(context)
    settings = session.settings
    chosen = resolve_base(base or settings.train.get("base") or settings.base, models_dir=settings.models)
    config, _ = adapt_to_base(make_config(str(settings.train.get("preset", "default")), settings.train), chosen.name)
    with session.store() as store, errors.status("Reading the chats…"):
        renderer = Renderer(load_tokenizer(chosen), config.text_format)
        return build(store, config.data, count_tokens=renderer.count, seed=config.seed)


def _chat_table(report: DataReport) -> Table:
    table = Table()
    table.add_column("chat")
    for title in ("messages", "your turns", "learned", "held out"):
        table.add_column(title, justify="right")
    table.add_column("left out")
    for row in report.chats:
        counts = [f"{count:,}" for count in (row.messages, row.own_turns, row.learned, row.held_out)]
        table.add_row(escape(row.title), *counts, row.left_out or "")
    return table
