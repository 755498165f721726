"""Commands on the data set: what a training would learn from."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from userbot.cli import exclusions
from userbot.cli.screen import console, errors, session_of
from userbot.domain.placeholders import Masked, find_masked, write_masked
from userbot.domain.plural import format_count
from userbot.trust.home_copies import note_exports

if TYPE_CHECKING:
    from training.data.samples import DataReport, DataSet

dataset = typer.Typer(no_args_is_help=True, help="What a training would learn from.")

Base = Annotated[str | None, typer.Option(help="Base model whose tokens are counted; default: the one of training.")]

EXAMPLES = 5
"""Lines with placeholders that are shown."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    exclusions.register(dataset)
    app.add_typer(dataset, name="dataset")


@dataset.command("stats")
def show_stats(context: typer.Context, base: Base = None) -> None:
    """Show what a training would learn from which chat, and what is left out and why."""
    data_set, needed = _build(context, base)
    report = data_set.report
    console.print(_chat_table(report))
    console.print(_describe_amounts(report))
    if report.train_turns + report.held_out_turns < needed:
        console.print(f"[yellow]Too little to train on:[/] at least {needed} turns are needed (data.min_turns).")
    lengths = ", ".join(f"{share} %: {tokens:,}" for share, tokens in report.lengths.items())
    console.print(f"Tokens of a sample, by percentile: {lengths}.")
    _print_left_out(report)
    _print_masked(data_set)


@dataset.command("preview")
def preview(
    context: typer.Context,
    count: Annotated[int, typer.Option("-n", min=1, help="How many samples.")] = 3,
    base: Base = None,
    as_json: Annotated[bool, typer.Option("--json", help="Counts only, as JSON: no message, no name.")] = False,
) -> None:
    """Show what would be trained and why the rest is left out: samples, then counts by reason, and what was masked.

    Samples are shown as the model reads them; the supervised tokens, which it learns to write, are between ⟦ and ⟧.
    """
    from training.data.dataset import preview as show

    data_set, _ = _build(context, base)
    report = data_set.report
    if as_json:
        console.print_json(data=summarise(report))
        return
    for text in show(data_set, count):
        console.print(escape(text))
        console.print("[dim]────[/]")
    console.print(_describe_amounts(report))
    _print_left_out(report)
    _print_masked(data_set)


def summarise(report: DataReport) -> dict[str, Any]:
    """Return counts of what would be trained and of what is left out; chats by id, no titles, no texts.

    Args:
        report: Of a data set.
    """
    return {
        "train": {
            "samples": report.train_samples,
            "turns": report.train_turns,
            "tokens": report.train_tokens,
            "supervised_tokens": report.supervised_tokens,
        },
        "held_out": {"samples": report.held_out_samples, "turns": report.held_out_turns},
        "chats": [
            {
                "id": chat.chat_id,
                "messages": chat.messages,
                "turns": chat.supervised,
                "held_out_turns": chat.held_out,
                "left_out": chat.left_out,
            }
            for chat in report.chats
        ],
        "left_out": {str(reason): count for reason, count in report.left_out.items()},
        "masked": dict(report.masked),
    }


@dataset.command("export")
def export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="A file that ends in .jsonl, or a folder for `datasets`.")],
    base: Base = None,
) -> None:
    """Write the samples in the messages format that TRL, LLaMA-Factory and axolotl read; held-out ones beside them.

    The files hold your chats in plain text: only you can read them, and it is up to you to keep it so.
    """
    from training.data.export import JSONL, check_target, export_datasets, export_jsonl, name_held_out
    from training.extras import check_extras

    check_target(path)
    if path.suffix != JSONL:
        check_extras("datasets")
        from datasets import disable_progress_bars

        disable_progress_bars()
    data_set, _ = _build(context, base)
    chats = {sample.chat_id for sample in (*data_set.train, *data_set.held_out)}
    with session_of(context).store() as store:
        # Before it is written: an export that is cut short is found by `clone forget` too.
        note_exports(store, [path, name_held_out(path)] if path.suffix == JSONL else [path], chats)
    if path.suffix == JSONL:
        _show_written(*export_jsonl(data_set, path))
    else:
        _show_written(export_datasets(data_set, path))


def _describe_amounts(report: DataReport) -> str:
    return (
        f"For training: {report.train_turns:,} of your turns in {format_count(report.train_samples, 'sample')}, "
        f"{format_count(report.train_tokens, 'token')}, {report.supervised_tokens:,} of them yours. "
        f"Held out: {format_count(report.held_out_turns, 'turn')}, the newest."
    )


def _print_left_out(report: DataReport) -> None:
    if report.left_out:
        console.print("Left out:")
    for reason, count in report.left_out.items():
        console.print(f"  {reason}: {count:,}")


def _print_masked(data_set: DataSet) -> None:
    """Print what was masked, and lines in which it was, as they are after masking."""
    if not data_set.report.masked:
        return
    counts = ", ".join(f"{write_masked(Masked(kind))} {n:,}" for kind, n in data_set.report.masked.items())
    console.print("Masked: " + escape(counts))
    bubbles = (bubble for sample in data_set.train for turn in sample.turns for bubble in turn.bubbles)
    for bubble in islice((bubble for bubble in bubbles if find_masked(bubble)), EXAMPLES):
        console.print(f"  [dim]{escape(bubble)}[/]")


def _show_written(*paths: Path) -> None:
    console.print(f"Written: {', '.join(escape(str(path)) for path in paths)}", soft_wrap=True)


def _build(context: typer.Context, base: str | None) -> tuple[DataSet, int]:
    """Return the data set, however small, and how many turns a training needs."""
    from training.extras import check_extras

    check_extras()
    from training.config import adapt_to_base, make_config
    from training.data.dataset import build
    from training.data.render import Renderer
    from training.model.base import load_tokenizer, resolve_base

    session = session_of(context)
    settings = session.settings
    chosen = resolve_base(base or settings.train.get("base") or settings.base, models_dir=settings.paths.models)
    config, _ = adapt_to_base(make_config(str(settings.train.get("preset", "default")), settings.train), chosen.name)
    with session.store() as store, errors.status("Reading the chats…"):
        renderer = Renderer(load_tokenizer(chosen), config.text_format)
        small = config.data.model_copy(update={"min_turns": 1})
        data_set = build(store, small, count_tokens=renderer.count, seed=config.seed)
    return data_set, config.data.min_turns


def _chat_table(report: DataReport) -> Table:
    table = Table()
    table.add_column("chat")
    for title in ("messages", "your turns", "trained on", "held out"):
        table.add_column(title, justify="right")
    table.add_column("left out")
    for row in report.chats:
        counts = [f"{count:,}" for count in (row.messages, row.own_turns, row.supervised, row.held_out)]
        table.add_row(escape(row.title), *counts, _shorten_reason(row.left_out))
    return table


def _shorten_reason(reason: str | None) -> str:
    # The reason is worded for many chats: "chats without consent".
    return (reason or "").removeprefix("chats ").removeprefix("that are ")
