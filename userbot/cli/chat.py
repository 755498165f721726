"""`clone chat`: a conversation with the clone in the terminal, with the generator of the daemon."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer
from rich.markup import escape

from userbot.cli.screen import console, errors, session_of
from userbot.cli.whom import find_chat
from userbot.config.settings import Settings
from userbot.domain.errors import NoAdapterError
from userbot.domain.messages import Chat, Turn, system_line
from userbot.generator import Generator, Prompt
from userbot.store.adapters import AdapterShelf

HELP = "Each line is one message. /new starts over, /quit or Ctrl-D ends."


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("chat")(chat)


def chat(
    context: typer.Context,
    contact: Annotated[
        str | None,
        typer.Option("--as", metavar="CHAT", help="Write as the contact of this chat."),
    ] = None,
    bare: Annotated[bool, typer.Option("--bare", help="The base model without any adapter.")] = False,
) -> None:
    """Chat with your clone here, before anybody else does. Nothing is stored or sent."""
    session = session_of(context)
    contact_chat = find_chat(session, contact) if contact is not None else None
    asyncio.run(_converse(session.settings, contact_chat, bare=bare))


async def _converse(settings: Settings, contact: Chat | None, *, bare: bool) -> None:
    generator = await open_generator(settings, bare=bare)
    try:
        system = system_line(contact, at=generator.rules.names_at) if contact is not None else None
        console.print(f"[dim]{HELP}[/]")
        turns: list[Turn] = []
        while True:
            try:
                line = (await asyncio.to_thread(console.input, "[b]you:[/] ")).strip()
            except EOFError:
                return
            if line == "/quit":
                return
            if line == "/new":
                turns.clear()
            elif line:
                turns.append(Turn(False, (line,)))
                reply = await generator.generate(Prompt(turns=tuple(turns), system=system))
                if not reply.bubbles:
                    console.print("[dim](nothing to say)[/]")
                    continue
                turns.append(Turn(True, reply.bubbles))
                for bubble in reply.bubbles:
                    console.print(f"[b green]clone:[/] {escape(bubble)}")
    finally:
        await generator.close()


async def open_generator(settings: Settings, *, bare: bool = False) -> Generator:
    """Load the model with the active adapter, or the bare base.

    Args:
        settings: All of them.
        bare: Load no adapter.

    Raises:
        NoAdapterError: No adapter is active, and the bare base was not requested.
    """
    from userbot.daemon.wiring import load_generator

    shelf = AdapterShelf(settings.paths.adapters)
    if shelf.active() is None and not bare and settings.generator.kind != "remote":
        raise NoAdapterError(
            "There is no adapter yet: the clone has not learned to write like you. Train one with `clone train`, or "
            "chat with the bare base model: `clone chat --bare`."
        )
    if bare:  # it was asked for, which a remote server wants to be told
        allowing = settings.generator.model_copy(update={"bare_base": True})
        settings = settings.model_copy(update={"generator": allowing})
    with errors.status("Loading the model…"):
        generator = await load_generator(settings, shelf)
        if bare and generator.adapter_id is not None:
            await generator.activate(None)
    return generator
