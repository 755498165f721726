"""`clone demo`: the whole product on this machine, without an account."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.rule import Rule
from rich.table import Table

from training.extras import check_extras
from userbot.cli.chat import open_generator
from userbot.cli.data import show_summary
from userbot.cli.model import finish_training
from userbot.cli.screen import byte_progress, console
from userbot.cli.training_view import run_training
from userbot.config.settings import Settings, load_settings
from userbot.demo.export import EXPORT_PATH, FRIEND_ID, OWNER_NAME, PROMPTS
from userbot.demo.scene import Scene, write_settings
from userbot.domain.errors import ConfigError
from userbot.domain.messages import ChatKind, Mode, Turn, system_line
from userbot.generator import Prompt
from userbot.importers import import_file
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import TERMS_SHOWN
from userbot.trust.consent import record

MARK = ".telegram-clone-demo"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    folder: Annotated[Path, typer.Option(help="Where to work; an earlier demo there is replaced.")] = Path("demo-run"),
    talk: Annotated[bool, typer.Option("--talk", help="Be the friend yourself.")] = False,
) -> None:
    """Show everything without an account: example chats, training, and a conversation on a local Telegram."""
    check_extras("bitsandbytes")
    began = time.monotonic()
    home = prepare_home(folder)
    settings = load_settings(home)
    with Store.open(settings.paths.database) as store:
        import_example(store, Path(shutil.copy(EXPORT_PATH, home)))
    _title(f"2. Learning to write like {OWNER_NAME}")
    ended = run_training(home)
    finish_training(home, AdapterShelf(settings.paths.adapters), ended, gate=True)
    _title("3. The same messages, before and after")
    asyncio.run(_compare(settings))
    _title("4. A Telegram server on this machine, the real daemon, a friend and a stranger")
    asyncio.run(Scene(settings, show=console.print).play(interactive=talk))
    _title("Done")
    # `make demo` leaves the environment's commands off the path.
    clone = "clone" if shutil.which("clone") else str(Path(sys.executable).with_name("clone"))
    console.print(
        f"Everything worked, in {time.monotonic() - began:.0f} s. The results are in {escape(str(home))}:\n"
        f"  [cyan]{escape(clone)} --home {escape(str(home))} chat[/]    talk to this clone\n"
        f"  [cyan]{escape(clone)} demo --talk[/]    be the friend on the local Telegram\n",
        soft_wrap=True,
        end="",
    )
    console.print(
        "With your own chats: README.md, “Quick start with a real account”; it begins with [cyan]clone import[/]."
    )


def prepare_home(folder: Path) -> Path:
    """Make the demo's home folder, replacing an earlier demo there, and work inside it, apart from a real clone.

    Args:
        folder: Where.

    Returns:
        The folder, absolute.

    Raises:
        ConfigError: The folder holds something else.
    """
    home = folder.expanduser().absolute()
    if home.exists() and not (home / MARK).exists() and any(home.iterdir()):
        raise ConfigError(f"{home} holds something other than a demo. Name another folder: clone demo --folder FOLDER")
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir(parents=True, mode=0o700)
    (home / MARK).touch()
    # The demo must not be changed by the settings of a real clone.
    for name in [name for name in os.environ if name.startswith("CLONE_")]:
        del os.environ[name]
    os.chdir(home)
    write_settings(home)
    return home


def import_example(store: Store, export: Path) -> None:
    """Import the example export; record the consents of its invented people, and allow one friend.

    Args:
        store: The demo's.
        export: Path of the example export.
    """
    _title(f"1. An example export: a year of chats of {OWNER_NAME}, who does not exist")
    console.print(f"It is {escape(str(export))}, as Telegram Desktop would write it.")
    with byte_progress("Reading") as progress:
        show_summary(import_file(store, export, progress=progress))
    for chat in store.chats.all():
        if chat.kind is ChatKind.PRIVATE:
            record(store, chat.id, by="an invented person")
    store.chats.set_mode(FRIEND_ID, Mode.AUTO)
    store.facts.set(TERMS_SHOWN, store.clock())
    console.print("Consent to training is recorded for the ten people, and one friend is on the allow-list.")


async def _compare(settings: Settings) -> None:
    with Store.open(settings.paths.database) as store:
        system_lines = {chat.id: system_line(chat) for chat in store.chats.all()}
    prompts = [Prompt(turns=(Turn(False, (text,)),), system=system_lines[contact_id]) for contact_id, text in PROMPTS]
    generator = await open_generator(settings)
    trained = generator.adapter_id
    answers: list[list[str]] = []
    try:
        for adapter_id in (None, trained):
            await generator.activate(adapter_id)
            replies = [await generator.generate(prompt) for prompt in prompts]
            answers.append([" / ".join(reply.bubbles) or "(nothing)" for reply in replies])
    finally:
        await generator.close()
    table = Table(show_lines=True)
    for title in ("message", "the base model", f"the clone of {OWNER_NAME}"):
        table.add_column(title)
    for (_, message), *replied in zip(PROMPTS, *answers, strict=True):
        table.add_row(*(escape(text) for text in (message, *replied)))
    console.print(table)


def _title(text: str) -> None:
    console.print()
    console.print(Rule(escape(text), align="left"))
