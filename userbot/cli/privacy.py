"""Commands that forget: one chat, one person, or everything; and the one that shows a person what is known of them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from userbot.cli.dispatch import send_command
from userbot.cli.screen import Session, console, errors, session_of
from userbot.cli.service import end_session
from userbot.cli.whom import NEGATIVE_IDS, find_chat
from userbot.daemon.forget_commands import describe_forgotten
from userbot.daemon.heartbeat import is_running
from userbot.domain.errors import ChatNotFoundError, CloneError, ConfigError
from userbot.domain.messages import Chat, ChatKind
from userbot.domain.names import read_id
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import KEEP_DAYS, OWNER_NAME
from userbot.store.forget_journal import ForgetJournal
from userbot.store.members import member_id
from userbot.store.tombstones import EVERYBODY
from userbot.trust import contact_export
from userbot.trust import forget as forgetting
from userbot.trust import purge as purging
from userbot.trust.people import Person, find_person
from userbot.trust.stale_adapters import stop_stale

ChatName = Annotated[str, typer.Argument(metavar="CHAT", help="Id, @username, or the whole title.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("forget", context_settings=NEGATIVE_IDS)(forget)
    app.command("keep", context_settings=NEGATIVE_IDS)(keep)
    app.command("export-me", context_settings=NEGATIVE_IDS)(export_me)
    app.command("purge")(purge)


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
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask; an id is asked about too.")] = False,
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


def keep(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CHAT", help="Id, @username, or the whole title.")],
    days: Annotated[int | None, typer.Option(min=1, help="Delete what is older than so many days.")] = None,
    forever: Annotated[bool, typer.Option("--forever", help="Keep everything.")] = False,
    default: Annotated[bool, typer.Option("--default", help="As CLONE_TRUST__KEEP_DAYS says.")] = False,
) -> None:
    """Say for how long one chat is kept. For all others, CLONE_TRUST__KEEP_DAYS says it; without it, for ever.

    The daemon deletes each night: messages, answers, samples of stopped trainings, reports and backups of that age.
    """
    if [days is not None, forever, default].count(True) != 1:
        raise ConfigError("Say one of --days N, --forever, --default.")
    session = session_of(context)
    chat = find_chat(session, name)
    with session.store() as store:
        kept = {chat_id: known for chat_id, known in (store.facts.get(KEEP_DAYS) or {}).items() if chat_id != chat.id}
        if not default:
            kept[chat.id] = days or 0
        store.facts.set(KEEP_DAYS, kept or None)
        time = format_count(days, "day") if days is not None else "for ever" if forever else "as long as all others"
        console.print(f"{escape(store.chats.describe(chat))} is kept: {time}.")


def export_me(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="CHAT|PERSON", help="A private chat, or the id of a person.")],
    group: Annotated[str | None, typer.Option("--in", metavar="GROUP", help="A member of this group, by name.")] = None,
    to: Annotated[Path | None, typer.Option("--to", help="The archive; default about-ID.zip in this folder.")] = None,
) -> None:
    """Write everything that is stored about one contact into an archive that you can give them.

    Their chat, what they wrote in groups, the answers that they got, and the records of their consent, as JSON, with a
    note in English and Russian. Only you can read the file; it is deleted when you forget the chat.
    """
    session = session_of(context)
    number = read_id(name)
    with session.store() as store:
        places = contact_export.find_places(store, number) if number is not None and group is None else []
    if not places:
        chat = find_chat(session, group if group is not None else name)
        with session.store() as store:
            if group is not None:
                person = find_person(store, chat, name)
                same = contact_export.find_places(store, person.id)
                places = same or [contact_export.Place(chat, person)]
            else:
                is_person = chat.kind is ChatKind.PRIVATE and chat.source == "telegram"
                places = contact_export.find_places(store, chat.id) if is_person else [contact_export.Place(chat)]
    if any(place.person is None and place.chat.kind is ChatKind.GROUP for place in places):
        raise ConfigError(
            f"{name!r} is a group, which holds what others wrote. Name the person: clone export-me PERSON --in {name!r}"
        )
    first = places[0]
    target = to or Path(f"about-{first.person.id if first.person is not None else first.chat.id}.zip")
    with session.store() as store:
        owner = store.facts.get(OWNER_NAME) or "The owner"
        count = contact_export.export_contact(store, session.settings.paths, places, target, owner=owner)
    chats = format_count(len(places), "chat")
    console.print(f"Written: {escape(str(target))}, {format_count(count, 'message')} from {chats}.", soft_wrap=True)


def purge(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="List what would be deleted; delete nothing.")] = False,
    log_out: Annotated[bool, typer.Option("--log-out", help="End the session at Telegram first.")] = False,
    with_settings: Annotated[bool, typer.Option("--settings", help="Delete the settings, .env, too.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Don't ask.")] = False,
) -> None:
    """Delete everything that the program has written: database, session, adapters, runs, reports, backups, exports.

    Files that it did not write stay, and are named. Base models stay too: they know nothing of you. Without --log-out,
    end the session yourself in Telegram's list of devices.
    """
    session = session_of(context)
    paths = session.settings.paths
    exports: tuple[str, ...] = ()
    if paths.database.is_file():
        with Store.open(paths.database) as store:
            if is_running(store) and not dry_run:
                raise ConfigError("The daemon runs. Stop it first, so that it writes nothing while all is deleted.")
            exports = purging.list_exports(store)
    found = purging.find_private(paths, exports=exports, settings=with_settings)
    for path in found.own:
        console.print(escape(str(path)), soft_wrap=True)
    if dry_run or not found.own:
        console.print("Nothing was deleted (--dry-run)." if dry_run else "There is nothing to delete.")
        return
    _confirm_purge(yes=yes)
    if log_out and paths.session.is_file():
        asyncio.run(end_session(session.settings))
    purging.purge(paths, found)
    console.print(f"Deleted: {format_count(len(found.own), 'path')}.")
    for path in found.foreign:
        console.print(f"[yellow]Left, as the program did not write it:[/] {escape(str(path))}", soft_wrap=True)


def _confirm_purge(*, yes: bool) -> None:
    if yes:
        return
    try:
        agreed = typer.prompt("All of this is deleted for good. Write `delete` to go on", err=True, default="")
    except typer.Abort:
        agreed = ""
    if agreed.strip().casefold() != "delete":
        raise ConfigError("Nothing was deleted. Write `delete` when asked, or say --yes.")
