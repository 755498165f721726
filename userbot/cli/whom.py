"""Which chats a command is about: names become ids before anything changes, and the owner sees whom they mean."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from userbot.cli.dispatch import send_command
from userbot.cli.screen import Session, errors
from userbot.domain.errors import ChatNotFoundError, ConfigError
from userbot.domain.messages import Chat
from userbot.domain.names import read_id
from userbot.store import Store

NEGATIVE_IDS = {"ignore_unknown_options": True}
"""Settings of commands that take a chat: the id of a group, such as -1001234567890, is no option."""

Yes = Annotated[
    bool,
    typer.Option("--yes", "-y", help="Don't ask whether the chats are the right ones; an id is never asked about."),
]
"""The option of commands that ask before they do something to a chat."""

ChatNames = Annotated[list[str], typer.Argument(metavar="CHAT...", help="Id, @username, or the whole title.")]


def find_chats(session: Session, names: Sequence[str]) -> list[Chat]:
    """Return the chats that names mean; the daemon looks among the account's dialogs too where it runs.

    All names are looked up before anything changes, so that a mistyped one changes nothing.

    Args:
        session: Settings and store.
        names: Ids, usernames or whole titles.

    Raises:
        ChatNotFoundError: A name means no chat, or could mean several.
        CloneError: The daemon runs but does not answer.
    """
    return [_find(session, name) for name in names]


def find_chat(session: Session, name: str) -> Chat:
    """Return the chat that a name means, as `find_chats` does.

    Raises:
        ChatNotFoundError: It means no chat, or could mean several.
    """
    return _find(session, name)


def confirm_chats(store: Store, chats: Sequence[Chat], names: Sequence[str], *, what: str, yes: bool) -> None:
    """Ask the owner whether these are the chats that they mean, unless they gave ids.

    The answer is read from the terminal, or from what is piped in.

    Args:
        store: Knows the chats.
        chats: As they were found.
        names: What the owner typed for each.
        what: What is going to be done, such as `Answer automatically`.
        yes: The owner said yes beforehand.

    Raises:
        ConfigError: The answer is no, or there is nobody to ask.
    """
    asked = [chat for chat, name in zip(chats, names, strict=True) if read_id(name) is None]
    if yes or not asked:
        return
    for chat in asked:
        errors.print(f"{what}: [b]{escape(store.chats.describe(chat))}[/]")
    ids = " ".join(str(chat.id) for chat in chats)
    try:
        agreed = typer.confirm("Is that right?", err=True)
    except typer.Abort:
        errors.print()
        raise ConfigError(
            f"Nothing was done, as nobody answered whether that is right. Give the id instead of the name ({ids}), or "
            f"say --yes."
        ) from None
    if not agreed:
        raise ConfigError(f"Nothing was done. The id of the right chat is in `clone chats list`; this was {ids}.")


def _find(session: Session, name: str) -> Chat:
    number = read_id(name)
    with session.store() as store:
        chat = store.chats.get(number) if number is not None else None
    if chat is not None:
        return chat
    found = int(send_command(session, "resolve", name))
    with session.store() as store:
        chat = store.chats.get(found)
    if chat is None:
        raise ChatNotFoundError(f"No chat has the id {found}. `clone chats list` shows the ids.")
    return chat
