"""Commands that forget: one chat, one person, or everything; and the one that shows a person what is known of them."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from userbot.cli.dispatch import send_command
from userbot.cli.screen import Session, console, errors, session_of
from userbot.cli.whom import NEGATIVE_IDS, Yes, find_chat
from userbot.daemon.forget_commands import describe_forgotten
from userbot.daemon.heartbeat import is_running
from userbot.domain.errors import ChatNotFoundError, CloneError, ConfigError
from userbot.domain.messages import Chat
from userbot.domain.names import read_id
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.forget_journal import ForgetJournal
from userbot.store.members import member_id
from userbot.store.tombstones import EVERYBODY
from userbot.trust import forget as forgetting
from userbot.trust.people import Person, find_person
from userbot.trust.stale_adapters import stop_stale

ChatName = Annotated[str, typer.Argument(metavar="[CHAT]", help="Id, @username, or the whole title.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("forget", context_settings=NEGATIVE_IDS)(forget)


def forget(
    context: typer.Context,
    name: ChatName = "",
    member: Annotated[
        str | None,
        typer.Option("--member", metavar="PERSON", help="In a group: only what this person writes."),
    ] = None,
    undo: Annotated[bool, typer.Option("--undo", help="Let imports and pulls bring the chat back.")] = False,
    listed: Annotated[bool, typer.Option("--list", help="List what is forgotten, by id.")] = False,
    now: Annotated[bool, typer.Option("--now", help="Stop the active adapter at once if it learned from it.")] = False,
    yes: Yes = False,
) -> None:
    """Delete everything that is known of a chat, for good: nothing brings it back unless you say --undo.

    Messages, answers, drafts, consents' words, training runs, reports and exports go; backups are rewritten without it.
    No import, pull or old backup stores it again. If you allow the chat later, it starts empty, with new messages.
    Adapters that learned from it are named: train again, then delete them.
    """
    session = session_of(context)
    if listed:
        _list(session)
        return
    if not name:
        raise ConfigError("Name a chat: clone forget CHAT. `clone chats list` shows the chats and their ids.")
    if undo:
        _undo(session, name, member)
        return
    chat = find_chat(session, name)
    with session.store() as store:
        person = find_person(store, chat, member) if member is not None else None
        _confirm(store, chat, person, yes=yes)
    _release(session, chat)
    with session.store() as store, errors.status("Forgetting…") as status:
        done = forgetting.forget(
            store,
            session.settings.paths,
            chat,
            person=EVERYBODY if person is None else person.id,
            on_step=lambda step: status.update(f"Deleting: {step}…"),
        )
        stopped = stop_stale(store, AdapterShelf(session.settings.paths.adapters)) if now else None
    console.print(escape(describe_forgotten(chat.id, done)))
    if stopped is not None:
        console.print(escape(stopped))


def _confirm(store: Store, chat: Chat, person: Person | None, *, yes: bool) -> None:
    count = sum(1 for one in store.messages.history(chat.id) if person is None or person.wrote(one))
    whose = "" if person is None else f" of {person.name} ({person.id})"
    what = f"{format_count(count, 'message')}{whose} in {store.chats.describe(chat)}"
    if yes:
        return
    errors.print(f"Forget for good: [b]{escape(what)}[/], and everything that was made of it.")
    try:
        agreed = typer.confirm("Is that right?", err=True)
    except typer.Abort:
        raise ConfigError("Nothing was deleted, as nobody answered. Say --yes to delete without a question.") from None
    if not agreed:
        raise ConfigError(f"Nothing was deleted. `clone chats list` has the id of the right chat; this was {chat.id}.")


def _release(session: Session, chat: Chat) -> None:
    """Let a running daemon stop its answer in the chat, and clear its draft; without one, the draft waits for it."""
    with session.store() as store:
        running = is_running(store)
        if not running:
            for item in store.replies.pending(chat.id):
                store.replies.cancel(item.reply_id, reason="the chat is forgotten")
    if running:
        try:
            send_command(session, "release", str(chat.id))
        except CloneError as exc:
            errors.print(f"[yellow]Note:[/] {escape(str(exc))}")


def _undo(session: Session, name: str, member: str | None) -> None:
    number = read_id(name)
    ids = [number] if number is not None else forgetting.list_ids(name)
    person = EVERYBODY
    if member is not None:
        known = read_id(member)
        person = known if known is not None else member_id(None, member)
    with session.store() as store:
        found = [one for one in ids if forgetting.readmit(store, session.settings.paths, one, person=person)]
    if not found:
        raise ChatNotFoundError(
            f"Nothing that {name!r} means is forgotten. `clone forget --list` shows what is, by id: names are "
            f"forgotten too."
        )
    console.print(
        f"{', '.join(map(str, found))} may come back: import the export again, or fetch it with `clone pull`. Nothing "
        f"is answered or trained on until you allow it and record a consent."
    )


def _list(session: Session) -> None:
    with session.store():
        entries = ForgetJournal(session.settings.paths.forgotten).read()
    if not entries:
        console.print("Nothing is forgotten.")
    for entry in entries:
        whose = "" if entry.person_id == EVERYBODY else f", person {entry.person_id}"
        rest = "" if entry.done else "; not finished yet"
        console.print(f"{entry.chat_id}{whose}: {entry.at.astimezone():%Y-%m-%d %H:%M}{rest}")
