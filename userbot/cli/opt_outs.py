"""The command that answers a group's member again who asked for no bot."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from userbot.cli.screen import console, session_of
from userbot.cli.whom import find_chat
from userbot.domain.errors import ConfigError
from userbot.trust.opt_out import list_left_out, take_in


def register(chats: typer.Typer) -> None:
    """Add the command to `clone chats`."""
    chats.command("opt-in")(opt_in)


def opt_in(
    context: typer.Context,
    group: Annotated[str, typer.Argument(help="The group: name, @name or id.")],
    member: Annotated[int | None, typer.Argument(help="Telegram id of the member; left out, all are listed.")] = None,
) -> None:
    """Answer a group's member again who asked for no bot, and learn from their messages again.

    Do it only when they said so. In a private chat, `clone chats allow` is the command.

    [dim]clone chats opt-in "Hiking group" 123456789[/]
    """
    session = session_of(context)
    chat = find_chat(session, group)
    with session.store() as store:
        listed = ", ".join(map(str, list_left_out(store, chat.id))) or "nobody"
        if member is None:
            console.print(f"Asked for no bot in {escape(chat.title)}: {listed}.")
            return
        if not take_in(store, chat.id, member):
            raise ConfigError(f"{member} did not ask for no bot in {chat.title}; {listed} did.")
        console.print(f"{member} is answered in {escape(chat.title)} again.")
