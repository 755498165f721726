"""Commands for the first start: a guided setup, and a check of the machine."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import typer
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from userbot.cli.screen import TERMS, Session, console, errors, session_of
from userbot.cli.service import log_in
from userbot.config.home import HomePaths
from userbot.config.settings import Settings, load_settings
from userbot.daemon.status import read_status
from userbot.domain.errors import CloneError, ConfigError
from userbot.domain.messages import Chat, Mode
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.chat_names import describe_chat
from userbot.store.encryption import is_encrypted, list_plain

APPS = "https://my.telegram.org/apps"
SHOWN_DIALOGS = 40


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("init")(init)
    app.command("doctor")(doctor)


def init(context: typer.Context) -> None:
    """Set up step by step: terms, api id, login, chats, mode, quiet hours. Writes `.env` (0600); safe to repeat."""
    session = session_of(context)
    console.print(Panel(TERMS, title="Before you start", border_style="yellow"))
    if not typer.confirm("Have you read this, and do you want to continue?"):
        raise ConfigError("Nothing was set up. To look around without an account: clone demo")
    settings = session.settings
    values: dict[str, str] = {}
    if settings.telegram.api_id is None or settings.telegram.api_hash is None:
        values |= _ask_api_key()
    hours = typer.prompt("Quiet hours, when nothing is answered (23:00-08:00; - for none)", default="23:00-08:00")
    if hours.strip() != "-":
        values["CLONE_REPLY__QUIET_HOURS"] = hours.strip()
    path = settings.paths.env_file
    settings = save_settings(path, values, home=settings.home)
    console.print(f"Written: {escape(str(path))}, readable by you only.")
    with Session(settings.home).store() as store:
        name = asyncio.run(log_in(settings, store, qr=typer.confirm("Log in by QR code (no typing)?", default=True)))
        console.print(f"Logged in as [b]{escape(name)}[/].")
        _choose_chats(store, asyncio.run(_read_dialogs(settings)))
    console.print("Next: [cyan]clone pull CHAT[/] or [cyan]clone import FILE[/], then [cyan]clone train[/].")


def _ask_api_key() -> dict[str, str]:
    console.print(f"Telegram wants every program to have its own key. Get yours: {APPS} (any title will do).")
    while not (api_id := str(typer.prompt("api_id")).strip()).isdigit():
        console.print("That is no api_id: an api_id is a number.")
    api_hash = str(typer.prompt("api_hash (not shown)", hide_input=True)).strip()
    return {"CLONE_TELEGRAM__API_ID": api_id, "CLONE_TELEGRAM__API_HASH": api_hash}


def save_settings(path: Path, values: dict[str, str], *, home: Path) -> Settings:
    """Change these lines of `.env` and keep all others; wrong values change nothing.

    Args:
        path: The `.env` file, made 0600.
        values: Values by the names of their variables.
        home: The home folder.

    Returns:
        The settings as they are now.

    Raises:
        ConfigError: A value is wrong.
    """
    old = path.read_text("utf-8") if path.exists() else ""
    kept = [line for line in old.splitlines() if line.partition("=")[0].strip() not in values]
    text = "\n".join([*kept, *(f"{name}={value}" for name, value in values.items())]) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(".env.new")
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:  # noqa: PTH123  # pathlib can't set the mode at creation
        file.write(text)
    draft.replace(path)
    try:
        return load_settings(home)
    except ConfigError:
        path.write_text(old, "utf-8")
        raise


async def _read_dialogs(settings: Settings) -> list[Chat]:
    from userbot.daemon.wiring import make_telegram_options
    from userbot.telegram.account import TelegramAccount

    async with TelegramAccount.open(make_telegram_options(settings), attempts=3) as account:
        return [chat for chat in await account.dialogs() if chat.kind.is_conversation]


def _choose_chats(store: Store, dialogs: list[Chat]) -> None:
    table = Table(title="Your newest chats", title_justify="left")
    for title in ("no.", "chat", "kind"):
        table.add_column(title)
    shown = dialogs[:SHOWN_DIALOGS]
    for number, chat in enumerate(shown, 1):
        table.add_row(str(number), escape(describe_chat(chat)), chat.kind)
    console.print(table)
    text = typer.prompt("Numbers of the chats that the clone may write drafts for (1 4 7; empty: none)", default="")
    numbers = [int(word) for word in text.replace(",", " ").split() if word.isdigit() and 0 < int(word) <= len(shown)]
    auto = bool(numbers) and typer.confirm(
        "Send answers automatically, instead of leaving drafts for you?", default=False
    )
    for number in numbers:
        chat = shown[number - 1]
        store.chats.save([chat])
        store.chats.set_mode(chat.id, Mode.AUTO if auto else Mode.DRAFT)
        console.print(f"{escape(describe_chat(chat))}: {'answers' if auto else 'drafts'}")


def doctor(context: typer.Context) -> None:
    """Look for what is missing or unsafe, and say how to repair it. Exit code 1 if anything is."""
    session = session_of(context)
    problems = 0
    for name, is_fine, text in _examine(session):
        mark = "[green]ok[/]  " if is_fine else "[red]no[/]  "
        problems += not is_fine
        console.print(f"{mark}{name}: {escape(text)}", soft_wrap=True)
    if problems:
        errors.print(f"{format_count(problems, 'problem')} to repair.")
        raise typer.Exit(1)


def _examine(session: Session) -> list[tuple[str, bool, str]]:
    """Return what was checked, whether it is fine, and what is there or how to repair it."""
    checks = [("Python", True, sys.version.split()[0]), _examine_training()]
    try:
        settings = session.settings
    except CloneError as exc:
        return [*checks, ("settings", False, str(exc))]
    checks.append(("home", True, f"{settings.home}, yours alone"))
    telegram = settings.telegram
    has_key = telegram.api_id is not None and telegram.api_hash is not None
    checks.append(("api key", has_key, "set" if has_key else f"missing; get one at {APPS}, then: clone init"))
    for name, path in (
        ("session", settings.paths.session),
        ("database", settings.paths.database),
        (".env", settings.paths.env_file),
    ):
        checks.append(_examine_file(name, path))
    checks.append(_examine_encryption(settings.paths))
    try:
        with Store.open(settings.paths.database) as store:
            status = read_status(store, AdapterShelf(settings.paths.adapters))
            shuffled = [store.chats.get(chat_id) for chat_id in store.messages.shuffled_chats()]
    except CloneError as exc:
        return [*checks, ("database", False, str(exc))]
    if shuffled:
        names = ", ".join(f"{chat.title} ({chat.source})" for chat in shuffled if chat is not None)
        checks.append(("order", False, f"messages of one minute are out of order: {names}. Import these files again"))
    adapter = status.adapter_id
    checks.append(("adapter", adapter is not None, adapter or "none; `clone train` makes one"))
    if status.stale:
        ids = ", ".join(one.id for one in status.stale)
        checks.append(("consents", False, f"withdrawn, and learned by {ids}: `clone train`, `clone adapters rm ID`"))
    checks.append(("daemon", True, status.state))
    allowed = len(status.allowed)
    checks.append(("allow-list", True, format_count(allowed, "chat") if allowed else "empty, so nobody is answered"))
    return checks


def _examine_encryption(paths: HomePaths) -> tuple[str, bool, str]:
    try:
        if not is_encrypted(paths):
            return ("encryption", True, "off; `clone encrypt` puts session, database and backups under a passphrase")
    except CloneError as exc:
        return ("encryption", False, str(exc))
    plain = [path.name for path in list_plain(paths)]
    if plain:
        return ("encryption", False, f"can be read without the passphrase: {', '.join(plain)}. Run: clone encrypt")
    return ("encryption", True, "on: session, database and backups")


def _examine_training() -> tuple[str, bool, str]:
    if find_spec("torch") is None:
        return ("training", True, "not installed; for training here: pip install '.[train]' in the program's folder")
    try:
        import torch

        where = torch.cuda.get_device_name() if torch.cuda.is_available() else "no CUDA device: the embedded base"
        return ("training", True, f"torch {version('torch')}, {where}")
    except (ImportError, OSError, RuntimeError, PackageNotFoundError) as exc:
        return ("training", False, f"torch does not load: {exc}. Install again: pip install '.[train]'")


def _examine_file(name: str, path: Path) -> tuple[str, bool, str]:
    if not path.exists():
        return (name, True, "none yet")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        return (name, False, f"{path} can be read by others ({mode:o}). Repair: chmod 600 {path}")
    return (name, True, "private")
