"""Commands on the account and the daemon: login, logout, pull, run, and the owner's commands."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Annotated, Protocol

import segno
import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from userbot.cli.dispatch import send_command
from userbot.cli.screen import Session, console, errors, session_of
from userbot.cli.whom import NEGATIVE_IDS
from userbot.config.settings import Settings
from userbot.daemon.heartbeat import is_running
from userbot.daemon.pauses import format_time
from userbot.domain.errors import LoginError
from userbot.domain.messages import Chat
from userbot.domain.plural import format_count
from userbot.store import Store

PULL_POLL_S = 0.3


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("login")(login)
    app.command("logout")(logout)
    app.command("run")(run)
    for command in (status, schedule, retrain):
        app.command(command.__name__)(command)
    for on_chat in (pull, pause, resume, why, undo):
        app.command(on_chat.__name__, context_settings=NEGATIVE_IDS)(on_chat)


def login(
    context: typer.Context,
    qr: Annotated[bool, typer.Option("--qr", help="Show a QR code to scan with Telegram on your phone.")] = False,
) -> None:
    """Log in to Telegram as you: by phone number and code, and your two-step password if you have one.

    Needs your own api_id and api_hash from my.telegram.org/apps; `clone init` asks for them.
    """
    session = session_of(context)
    with session.store() as store:
        name = asyncio.run(log_in(session.settings, store, qr=qr))
    console.print(f"Logged in as [b]{escape(name)}[/]. Next: [cyan]clone chats allow CHAT[/], then [cyan]clone run[/]")


async def log_in(settings: Settings, store: Store, *, qr: bool) -> str:
    """Log in with questions on the terminal.

    Args:
        settings: How to reach Telegram.
        store: Remembers who the owner is.
        qr: Show a QR code instead of asking for the phone number.

    Returns:
        The account's name.

    Raises:
        LoginError: A code or password was wrong too often, or nothing was entered.
    """
    from userbot.daemon.wiring import make_telegram_options
    from userbot.store.facts import OWNER_ID, OWNER_NAME
    from userbot.telegram import login as steps

    async def ask_secret(text: str) -> str:
        return await asyncio.to_thread(typer.prompt, text, hide_input=True)

    async def ask_phone() -> str:
        return str(await asyncio.to_thread(typer.prompt, "Phone number, with the country code"))

    async def ask_code() -> str:
        return await ask_secret("Code from your Telegram app (not shown)")

    async def ask_password() -> str:
        return await ask_secret("Two-step password (not shown)")

    def show(text: str) -> None:
        errors.print(escape(text))

    try:
        async with steps.connect_for_login(make_telegram_options(settings)) as client:
            account = await steps.read_account(client)
            if account is None and qr:
                account = await steps.login_by_qr(client, show_code=_show_qr, ask_password=ask_password, show=show)
            elif account is None:
                account = await steps.login(
                    client, ask_phone=ask_phone, ask_code=ask_code, ask_password=ask_password, show=show
                )
    except typer.Abort:
        raise LoginError("Nothing was entered, so nobody is logged in. Try again: clone login") from None
    store.facts.set(OWNER_ID, account.id)
    store.consents.bind(account.id)
    store.facts.set(OWNER_NAME, account.name)
    return account.name


def _show_qr(url: str) -> None:
    errors.print("Telegram on your phone: Settings → Devices → Link Desktop Device, and scan:")
    segno.make(url).terminal(sys.stderr, compact=True)


def logout(context: typer.Context) -> None:
    """End this session at Telegram and delete its file."""
    asyncio.run(end_session(session_of(context).settings))
    console.print("Logged out; the session file is gone.")


async def end_session(settings: Settings) -> None:
    """End the session at Telegram and delete its file."""
    from userbot.daemon.wiring import make_telegram_options
    from userbot.telegram.login import connect_for_login, log_out

    async with connect_for_login(make_telegram_options(settings)) as client:
        await log_out(client)


def pull(
    context: typer.Context,
    names: Annotated[list[str], typer.Argument(metavar="CHAT...", help="Id, @username, or the whole title.")],
    takeout: Annotated[bool, typer.Option(help="Ask Telegram for an export session, which has gentler limits.")] = True,
) -> None:
    """Fetch the history of chosen chats, newest first; an interrupted pull continues where it stopped.

    Only chats that you name are fetched. While the daemon runs, it does the work and keeps answering.
    """
    session = session_of(context)
    with session.store() as store:
        running = is_running(store)
        if not running:
            asyncio.run(_pull(session, store, names, takeout=takeout))
    if running:
        _pull_by_daemon(session, names)


async def _pull(session: Session, store: Store, names: list[str], *, takeout: bool) -> None:
    from userbot.daemon.wiring import make_telegram_options
    from userbot.telegram.account import TelegramAccount
    from userbot.telegram.history import Progress as Pulled

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    async with TelegramAccount.open(make_telegram_options(session.settings), attempts=3) as account:
        chats = await find_chats(account, store, names)
        with Progress(*columns, console=errors, transient=True) as bar:
            tasks = {chat.id: bar.add_task(escape(chat.title), total=None) for chat in chats}

            def show(page: Pulled) -> None:
                waiting = f" (Telegram asks to wait {page.waiting_s:.0f} s)" if page.waiting_s else ""
                bar.update(
                    tasks[page.chat_id],
                    completed=page.fetched,
                    total=page.total,
                    description=escape(page.title) + waiting,
                )

            report = await account.pull(store, chats, on_progress=show, takeout=takeout)
    new = format_count(report.messages, "new message")
    console.print(f"{new}; {report.chats} of {format_count(len(chats), 'chat')} fetched to the beginning.")
    if report.takeout_from is not None:
        at = format_time(report.takeout_from)
        errors.print(
            f"[yellow]Note:[/] Telegram grants an export session from {at}, or once you approve it in its chat."
        )
    for reason in report.refused:
        errors.print(f"[yellow]Note:[/] {escape(reason)}")


def _pull_by_daemon(session: Session, names: list[str]) -> None:
    from userbot.daemon.pulling import read_pull

    console.print(escape(send_command(session, "pull", "\n".join(names))))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with session.store() as store, Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task("", total=None)
        while (state := read_pull(store)).running and is_running(store):
            if state.title is not None:
                bar.update(task, description=escape(state.title), completed=state.fetched, total=state.total)
            time.sleep(PULL_POLL_S)
    console.print(escape(state.text or "The daemon has stopped; the next pull continues from there."))


class DialogSource(Protocol):
    """Where the account's own chats are listed; `TelegramAccount` is one."""

    async def dialogs(self) -> list[Chat]:
        """Return the account's chats."""
        ...


async def find_chats(account: DialogSource, store: Store, names: list[str]) -> list[Chat]:
    """Find chats by name, among the account's own and in the store; those that are new are stored.

    Args:
        account: An open account.
        store: Where chats are saved.
        names: Ids, usernames or whole titles.

    Returns:
        One chat per name.

    Raises:
        ChatNotFoundError: A name means no chat, or could mean several.
    """
    dialogs = await account.dialogs()
    store.chats.refresh(dialogs)
    chats = [store.chats.find(name, dialogs=dialogs) for name in names]
    known = {chat.id for chat in store.chats.all()}
    store.chats.save(chat for chat in chats if chat.id not in known)
    return chats


def run(context: typer.Context) -> None:
    """Answer the allowed chats until stopped (Ctrl-C, SIGTERM). This is what a service manager starts."""
    from userbot.daemon.logs import set_up_logging
    from userbot.daemon.run import run_daemon

    session = session_of(context)
    with session.store():
        pass  # shows the terms once, and fails early on a damaged database
    set_up_logging(session.settings.log_format, session.settings.log_level)
    raise typer.Exit(asyncio.run(run_daemon(session.settings)))


def status(context: typer.Context) -> None:
    """Show what the daemon does, which chats it answers, and what it did not send."""
    _send(context, "status")


def schedule(context: typer.Context) -> None:
    """Show when the daemon retrains, backs up and deletes old adapters next. CLONE_SCHEDULE__… settings decide it."""
    from userbot.daemon.schedule import read_next_runs

    runs = read_next_runs(session_of(context).settings.paths.schedule)
    if not runs:
        console.print("Nothing is scheduled yet; the daemon plans its jobs when it runs: `clone run`.")
    for run in runs:
        console.print(f"{run.at.astimezone():%a %d %b %H:%M}  {escape(run.name)}")


def pause(
    context: typer.Context,
    span: Annotated[str, typer.Argument(help="30m, 2h, 1d; empty: until `clone resume`.")] = "",
    chat: Annotated[str, typer.Argument(metavar="[CHAT]", help="Only this chat.")] = "",
) -> None:
    """Answer nothing for a while, everywhere or in one chat."""
    _send(context, "pause", f"{span} {chat}".strip())


def resume(
    context: typer.Context,
    chat: Annotated[str, typer.Argument(metavar="[CHAT]", help="Only this chat.")] = "",
) -> None:
    """End the pause."""
    _send(context, "resume", chat)


def why(
    context: typer.Context,
    chat: Annotated[str, typer.Argument(metavar="[CHAT]", help="Of this chat.")] = "",
) -> None:
    """Show how the last answer came about: what the model saw, which adapter, how long, the guard's verdict."""
    _send(context, "why", chat)


def undo(
    context: typer.Context,
    chat: Annotated[str, typer.Argument(metavar="[CHAT]", help="Of this chat.")] = "",
) -> None:
    """Delete the last answer for both sides. The daemon must run."""
    _send(context, "undo", chat)


def retrain(
    context: typer.Context,
    stop: Annotated[bool, typer.Option("--stop", help="Stop the training in progress.")] = False,
) -> None:
    """Let the running daemon train a new adapter now, while it answers; the gate decides whether it is activated."""
    _send(context, "retrain", "stop" if stop else "")


def _send(context: typer.Context, verb: str, argument: str = "") -> None:
    console.print(escape(send_command(session_of(context), verb, argument)))
