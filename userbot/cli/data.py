"""Commands on data: import, and chats with their modes and consents."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from userbot.cli import consents, opt_outs
from userbot.cli.dispatch import send_command
from userbot.cli.screen import byte_progress, console, errors, session_of
from userbot.cli.whom import NEGATIVE_IDS, ChatNames, Yes, confirm_chats, find_chat, find_chats
from userbot.daemon.pauses import format_pause
from userbot.domain.errors import ExportFormatError, ExportTruncatedError
from userbot.domain.messages import Chat, ChatKind, Mode, Origin, prompt_name
from userbot.domain.names import clean_name
from userbot.domain.plural import format_count
from userbot.importers import FORMATS, ImportSummary, import_file
from userbot.store.facts import OWNER_ID
from userbot.trust.consent import describe_consent
from userbot.trust.forget import readmit

chats = typer.Typer(no_args_is_help=True, help="Chats in the store: who may be answered, and who agreed to training.")

SHOWN_CHATS = 40


class DateStyle(StrEnum):
    """How dates are written."""

    DAY_FIRST = "day-first"
    MONTH_FIRST = "month-first"


_ORDERS = {DateStyle.DAY_FIRST: "dmy", DateStyle.MONTH_FIRST: "mdy"}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("import")(import_export)
    app.add_typer(chats, name="chats")
    consents.register(chats)
    opt_outs.register(chats)


def import_export(
    context: typer.Context,
    path: Annotated[Path, typer.Argument(help="result.json, a folder or file of another messenger's export.")],
    format_name: Annotated[
        str | None, typer.Option("--format", help=f"Instead of looking at the content: {', '.join(FORMATS)}.")
    ] = None,
    me: Annotated[str | None, typer.Option(help="Your name or id in the export, where it doesn't say.")] = None,
    dates: Annotated[
        DateStyle | None,
        typer.Option(help="How the file writes dates such as 05/06/24, where nothing in it tells (WhatsApp)."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Read and count only; store nothing.")] = False,
    readmitted: Annotated[
        bool, typer.Option("--readmit", help="Take chats in again that you had forgotten with `clone forget`.")
    ] = False,
) -> None:
    """Read an export into the store. Importing again, or an overlapping export, adds only what is new.

    Telegram Desktop: Settings → Advanced → Export Telegram data → Personal chats, format JSON.
    """
    session = session_of(context)
    with session.store() as store:
        with byte_progress(f"Reading {escape(path.name)}") as progress:
            summary = import_file(
                store,
                path,
                format_name=format_name,
                me=me,
                date_order=None if dates is None else _ORDERS[dates],
                owner_id=store.facts.get(OWNER_ID),
                dry_run=dry_run,
                progress=progress,
                readmit=partial(readmit, store, session.settings.paths) if readmitted else None,
            )
        show_summary(summary, dry_run=dry_run)
    if summary.failed:
        raise ExportFormatError(
            f"{format_count(len(summary.failed), 'export')} in {path} could not be read, the others are done: "
            f"{' '.join(summary.failed)}"
        )
    if summary.truncated_after:
        stored = "can be stored" if dry_run else "is stored"
        raise ExportTruncatedError(
            f"{path} ends early, {summary.truncated_after}. What was complete {stored}; export again for the rest, and "
            f"import that too: nothing is stored twice."
        )


def show_summary(summary: ImportSummary, *, dry_run: bool = False) -> None:
    """Print what an import read: chats, messages by origin, what was skipped and why.

    Args:
        summary: Of the import.
        dry_run: Nothing was stored.
    """
    table = Table(title=f"{summary.format}: the export of {escape(summary.owner_name or 'you')}", title_justify="left")
    table.add_column("chat")
    table.add_column("kind")
    for title in ("theirs", "yours"):
        table.add_column(title, justify="right")
    table.add_column("note")
    for row in summary.chats[:SHOWN_CHATS]:
        counts = [f"{row.counts.get(origin, 0):,}" for origin in (Origin.CONTACT, Origin.OWNER)]
        note = "only your messages: not for training" if row.chat.own_only else ""
        table.add_row(escape(row.chat.title), row.chat.kind, *counts, note)
    if len(summary.chats) > SHOWN_CHATS:
        table.add_row(f"… and {len(summary.chats) - SHOWN_CHATS} more", "", "", "", "`clone chats list` shows all")
    console.print(table)
    new = f"{summary.added:,} new, {summary.known:,} known before" if not dry_run else "nothing stored (--dry-run)"
    total = f"{format_count(summary.messages, 'message')} in {format_count(len(summary.chats), 'chat')}"
    console.print(f"{total}: {new}.")
    if summary.skipped:
        reasons = ", ".join(format_count(count, reason) for reason, count in sorted(summary.skipped.items()))
        console.print(f"Skipped: {escape(reasons)}.")
    for warning in summary.warnings:
        errors.print(f"[yellow]Note:[/] {escape(warning)}")


@chats.command("list")
def list_chats(
    context: typer.Context,
    allowed: Annotated[bool, typer.Option("--allowed", help="Only those that may be answered.")] = False,
) -> None:
    """Show the chats with their counts, mode and consent."""
    with session_of(context).store() as store:
        rows = [row for row in store.chats.count() if not allowed or row.chat.mode is not Mode.OFF]
        if not rows:
            hint = (
                "`clone chats allow CHAT` adds one" if allowed else "`clone import FILE` or `clone login` brings them"
            )
            console.print(f"No chats yet; {hint}.")
            return
        now = store.clock()
        training = {row.chat.id: escape(describe_consent(store, row.chat)) for row in rows}
    table = Table()
    table.add_column("id", no_wrap=True)
    table.add_column("chat")
    for title in ("theirs", "yours", "clone"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("answers")
    table.add_column("training")
    for row in rows:
        counts = [f"{count:,}" for count in (row.contact, row.owner, row.clone)]
        table.add_row(str(row.chat.id), _name(row.chat), *counts, _mode(row.chat, now), training[row.chat.id])
    console.print(table)


@chats.command("allow", context_settings=NEGATIVE_IDS)
def allow(context: typer.Context, names: ChatNames, yes: Yes = False) -> None:
    """Let the clone answer these chats. Asks whether they are the right ones, unless you give ids or --yes.

    The name that a chat has now is the one that prompts will have; see `clone chats rename`.
    """
    _send(context, "allow", names, what="Answer automatically", yes=yes)


@chats.command("draft", context_settings=NEGATIVE_IDS)
def draft(context: typer.Context, names: ChatNames, yes: Yes = False) -> None:
    """Let the clone write its answers into the drafts of these chats; you send them, or not. Asks as `allow` does."""
    _send(context, "draft", names, what="Write drafts", yes=yes)


@chats.command("deny", context_settings=NEGATIVE_IDS)
def deny(context: typer.Context, names: ChatNames) -> None:
    """Leave these chats alone again."""
    _send(context, "off", names)


@chats.command("rename", context_settings=NEGATIVE_IDS)
def rename(context: typer.Context, names: ChatNames, yes: Yes = False) -> None:
    """Let prompts call these chats what they are called now.

    The clone keeps the name that a chat had when you allowed it or recorded a consent: whoever renames themselves
    gets no answers that are meant for another. An adapter that is trained already keeps the name that it learned.
    """
    _send(context, "rename", names, what="Take over the present name", yes=yes)


@chats.command("who", context_settings=NEGATIVE_IDS)
def who(context: typer.Context, name: Annotated[str, typer.Argument(metavar="CHAT")]) -> None:
    """Show which chat a name means: its title, id, @username and last message. Changes nothing."""
    session = session_of(context)
    console.print(escape(send_command(session, "who", str(find_chat(session, name).id))))


@chats.command("about", context_settings=NEGATIVE_IDS)
def about(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CHAT")],
    words: Annotated[str, typer.Argument(help='Who they are to you: "my sister". Empty forgets it.')],
) -> None:
    """Tell the clone who the contact is: one line that it sees in training and with each answer."""
    session = session_of(context)
    chat = find_chat(session, name)
    with session.store() as store:
        store.chats.set_relationship(chat.id, words.strip() or None)
        console.print(f"{escape(store.chats.describe(chat))}: {escape(words.strip() or 'forgotten')}.")


def _send(context: typer.Context, verb: str, names: list[str], *, what: str = "", yes: bool = False) -> None:
    session = session_of(context)
    found = find_chats(session, names)
    if what:
        with session.store() as store:
            confirm_chats(store, found, names, what=what, yes=yes)
    for chat in found:
        agreed = f"{chat.id}\n{chat.title}" if verb == "rename" else str(chat.id)
        console.print(escape(send_command(session, verb, agreed)))


def _name(chat: Chat) -> str:
    name = escape(chat.title) + (f" @{escape(chat.username)}" if chat.username else "")
    if prompt_name(chat) != clean_name(chat.title):
        name += f" [dim](in prompts: {escape(prompt_name(chat))})[/]"
    return name if chat.kind is ChatKind.PRIVATE else f"{name} [dim]({chat.kind})[/]"


def _mode(chat: Chat, now: datetime) -> str:
    shown = {Mode.OFF: "off", Mode.DRAFT: "[yellow]draft[/]", Mode.AUTO: "[green]auto[/]"}[chat.mode]
    if chat.paused_until and chat.paused_until > now:
        return f"{shown}, paused {format_pause(chat.paused_until, now)}"
    return shown
