"""Commands on consents: record one, take one back, and show the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from training.run.consent import forget_runs
from userbot.cli.screen import console, session_of
from userbot.cli.whom import NEGATIVE_IDS, ChatNames, Yes, confirm_chats, find_chat, find_chats
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, ChatKind
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.trust.consent import find_members, list_names, record, says_something
from userbot.trust.consent import withdraw as take_back
from userbot.trust.stale_adapters import find_stale_adapters, stop_stale

Member = Annotated[
    list[str] | None, typer.Option("--member", help="In a group, who agreed: id or whole name; give it for each.")
]


def register(chats: typer.Typer) -> None:
    """Add the commands to those on chats."""
    for command in (consent, withdraw):
        chats.command(command.__name__, context_settings=NEGATIVE_IDS)(command)
    chats.command("consents", context_settings=NEGATIVE_IDS)(show_ledger)


def consent(
    context: typer.Context,
    names: ChatNames,
    by: Annotated[str, typer.Option(help='Who agreed, and how: "Vera, asked on 3 May". Recorded with the time.')],
    wording: Annotated[
        str | None, typer.Option("--wording", "--reason", help="What you showed or told them, word for word.")
    ] = None,
    member: Member = None,
    all_members: Annotated[
        bool, typer.Option("--all-members", help="In a group: everybody in it agreed, as --by says.")
    ] = False,
    since: Annotated[
        datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="Only messages from this day on.")
    ] = None,
    yes: Yes = False,
) -> None:
    """Record that a chat may be trained on. Without this, no training uses it. Asks as `allow` does.

    In a group everybody must agree, and whoever comes later must be asked too. What was recorded stays in a ledger:
    `clone chats consents` shows it.
    """
    if not says_something(by):
        raise ConfigError("--by is empty: say who agreed, such as --by 'Vera, asked on 3 May'.")
    session = session_of(context)
    found = find_chats(session, names)
    with session.store() as store:
        confirm_chats(store, found, names, what="Record a consent", yes=yes)
        for chat in found:
            agreed = _choose_members(store, chat, member, everybody=all_members)
            day = since.astimezone() if since else None
            record(store, chat.id, by=by, wording=wording, members=agreed, since=day)
            console.print(f"Consent for {escape(store.chats.describe(chat))} recorded.")


def withdraw(
    context: typer.Context,
    names: ChatNames,
    reason: Annotated[str | None, typer.Option(help="Why; recorded with the time.")] = None,
    member: Member = None,
    now: Annotated[
        bool, typer.Option("--now", help="Stop an active adapter that learned from them at once, not at the next one.")
    ] = False,
) -> None:
    """Take a consent back: no training uses these chats from now on, and adapters that learned from them are stale.

    A stale adapter is not activated again. The active one writes until a clean one is trained, or ends with --now:
    then the last clean one takes its place, or all answers are held where there is none.
    """
    session = session_of(context)
    found = find_chats(session, names)
    shelf = AdapterShelf(session.settings.paths.adapters)
    with session.store() as store:
        for chat in found:
            people = find_members(store, chat, member) if member else [None]
            rows = [take_back(store, chat.id, reason=reason, member=one) for one in people]
            done = "withdrawn" if any(rows) else "was not recorded, so there is nothing to withdraw"
            console.print(f"Consent for {escape(store.chats.describe(chat))} {done}.")
        forgotten = forget_runs(store, session.settings.paths.runs)
        stopped = stop_stale(store, shelf) if now else None
        stale = find_stale_adapters(store, shelf)
    if forgotten:
        console.print(f"Deleted: {format_count(forgotten, 'interrupted training')} that used it.")
    if stopped:
        console.print(escape(stopped))
    for one in stale:
        still = " It is active until a clean one is trained; --now stops it." if one.active else ""
        chats = ", ".join(map(str, one.chat_ids))
        console.print(f"Stale: adapter {escape(one.id)} learned from {chats}.{still}", soft_wrap=True)
    console.print(
        "A training that uses it now stops automatically and deletes its samples. To forget fully what was learned "
        "before, train again with `clone train`, remove every older adapter with `clone adapters rm`, and delete their "
        "folders under `reports`."
    )


def show_ledger(
    context: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="[CHAT]", help="Only of this chat.")] = None,
) -> None:
    """Show who agreed and who took it back, oldest first. Nothing is ever removed from this ledger."""
    session = session_of(context)
    chosen = None if name is None else find_chat(session, name).id
    with session.store() as store:
        rows = [one for one in store.consents.history(chosen) if one.chat_id is not None]
        titles = {chat.id: chat.title for chat in store.chats.all()}
        members = {chat_id: store.consents.members(chat_id) for chat_id in {one.chat_id or 0 for one in rows}}
    if not rows:
        console.print("No consent is recorded yet: `clone chats consent CHAT --by WHO`.")
        return
    table = Table()
    for title in ("when", "chat", "what", "who", "about", "words", "account"):
        table.add_column(title)
    for one in rows:
        chat_id = one.chat_id or 0
        about = "" if one.members is None else list_names(members[chat_id], one.members)
        since = f", from {one.since.astimezone():%d %b %Y} on" if one.since else ""
        what = f"{one.action}{since}" + (f" ({one.origin})" if one.origin != "owner" else "")
        table.add_row(
            f"{one.at.astimezone():%d %b %Y %H:%M}",
            f"{escape(titles.get(chat_id, ''))} {chat_id}".strip(),
            escape(what),
            escape(one.given_by or ""),
            escape(about),
            escape(one.reason or one.wording or ""),
            str(one.account_id or ""),
        )
    console.print(table)


def _choose_members(store: Store, chat: Chat, names: Sequence[str] | None, *, everybody: bool) -> list[int] | None:
    if names:
        return find_members(store, chat, names)
    return list(store.consents.members(chat.id)) if everybody and chat.kind is ChatKind.GROUP else None
