"""Commands on the guard: answers that were withheld, and the index that it judges by."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import Progress

from userbot.cli.screen import console, session_of
from userbot.cli.whom import NEGATIVE_IDS, find_chat
from userbot.daemon.pauses import format_time
from userbot.domain.plural import format_count
from userbot.trust.disclosure import DisclosureIndex

SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("held", context_settings=NEGATIVE_IDS)(held)
    app.command("reindex")(reindex)


def held(
    context: typer.Context,
    chat: Annotated[str, typer.Argument(metavar="[CHAT]", help="Only this chat.")] = "",
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="So many, the newest.")] = SHOWN,
) -> None:
    """Show answers that the guard withheld, with their words. They are on this machine only, in no draft box.

    A chat in which three were withheld in a day gets drafts only; [cyan]clone chats allow CHAT[/] answers it again.
    """
    session = session_of(context)
    chat_id = find_chat(session, chat).id if chat else None
    with session.store() as store:
        answers = store.withheld.newest(chat_id, limit=limit)
        for answer in answers:
            known = store.chats.get(answer.chat_id)
            title = f"{known.title} ({known.id})" if known else str(answer.chat_id)
            at = format_time(answer.created_at)
            console.print(f"[b]{escape(title)}[/], {at}: it held {escape(answer.kind)}")
            console.print(f"  {escape(answer.text)}".replace("\n", "\n  "))
    if not answers:
        console.print("No answer was withheld.")


def reindex(context: typer.Context) -> None:
    """Build the guard's index of all chats anew. Nothing is answered until it is done; it may run beside the daemon.

    Needed only after the database was changed by other programs: the daemon keeps the index up to date.
    """
    with session_of(context).store() as store:
        store.disclosure.rebuild()
        total = store.disclosure.count_waiting(limit=2**31)
        index = DisclosureIndex(store.disclosure)
        with Progress(console=console, transient=True) as progress:
            task = progress.add_task("Indexing", total=total)
            while done := index.update():
                progress.advance(task, done)
    console.print(f"{format_count(total, 'message')} indexed.")
