"""Commands that put session, database and backups under a passphrase, and take them out again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.markup import escape

from userbot.cli.screen import byte_progress, console, errors, session_of
from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS
from userbot.domain.plural import format_count
from userbot.store.connection import load_driver
from userbot.store.encryption import Converted, decrypt_home, encrypt_home, is_encrypted, list_plain

SHORT = 12
"""Passphrases with fewer characters are guessed by machines, however slow one guess is made."""


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("encrypt")(encrypt)
    app.command("decrypt")(decrypt)


def encrypt(context: typer.Context) -> None:
    """Put session, database and backups under a passphrase. Safe to stop at any moment, and to repeat.

    Asks for the passphrase twice; nobody can restore it, so write it down somewhere else. Afterwards every command
    asks for it, or reads it from the file that [cyan]CLONE_PASSPHRASE_FILE[/] names (chmod 600), or from systemd's
    credential [cyan]clone-passphrase[/]. New backups are encrypted too. Run it again to encrypt backups that you copied
    in, or to finish a run that was interrupted.

    Settings (.env), adapters, training runs, reports and models stay as they are: an adapter has learned from your
    words, and a report quotes them. Needs the extra [cyan]encryption[/], and free disk space for one more database.
    """
    paths = session_of(context).settings.paths
    load_driver()
    with _alone(paths):
        known = is_encrypted(paths)
        passphrase = KEYS.read_passphrase(twice=not known)
        if not known and len(passphrase) < SHORT:
            errors.print(
                f"[yellow]Note:[/] a passphrase of fewer than {SHORT} characters can be guessed by a machine that has "
                f"your files. Five or six random words can not."
            )
        with byte_progress("Encrypting") as progress:
            done = encrypt_home(paths, passphrase, progress=progress)
    if not done.files and known:
        console.print("Everything is encrypted already.")
        return
    _show("Encrypted", done, paths)
    console.print(
        "Keep the passphrase: without it nobody can open them, you included. As they were: settings, adapters, runs, "
        "reports, models. Undo it with [cyan]clone decrypt[/]."
    )


def decrypt(context: typer.Context) -> None:
    """Make session, database and backups plain files again. Safe to stop at any moment, and to repeat.

    Asks for the passphrase once, or reads it as every command does: see [cyan]clone encrypt --help[/]. A wrong one
    changes nothing.
    """
    paths = session_of(context).settings.paths
    if not is_encrypted(paths):
        console.print("Nothing is encrypted here.")
        return
    load_driver()
    with _alone(paths):
        passphrase = KEYS.read_passphrase()
        with byte_progress("Decrypting") as progress:
            done = decrypt_home(paths, passphrase, progress=progress)
    _show("Decrypted", done, paths)
    if done.left:
        names = ", ".join(_name(path, paths) for path in done.left)
        errors.print(f"[yellow]Note:[/] encrypted by another passphrase, and left as they are: {escape(names)}")


@contextmanager
def _alone(paths: HomePaths) -> Iterator[None]:
    """Hold the lock of the daemon, of logins and of pulls, so that none of them runs or starts."""
    from userbot.telegram.session import SessionLock

    with SessionLock(paths.session):
        yield


def _show(what: str, done: Converted, paths: HomePaths) -> None:
    names = ", ".join(_name(path, paths) for path in done.files)
    count = format_count(len(done.files), "file")
    console.print(f"{what} {count}{': ' if names else ''}{escape(names)}.", soft_wrap=True)
    if what == "Encrypted" and not done.files and not list_plain(paths):
        console.print("There was nothing to encrypt yet; what comes will be encrypted.")


def _name(path: Path, paths: HomePaths) -> str:
    return str(path.relative_to(paths.home))
