"""What the commands share: consoles, the opened home folder, progress bars, the notice of terms."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console, ConsoleOptions, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn
from rich.segment import Segment

from userbot.config.privacy import protect_home
from userbot.config.settings import Settings, find_home, load_settings
from userbot.store import Store
from userbot.store.facts import TERMS_SHOWN
from userbot.trust.forget import finish_forgetting

# Characters that a terminal obeys instead of showing, and those that change the direction of all text after them.
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


class SafeConsole(Console):
    """A console on which titles and messages written by others can't control the terminal."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Render as rich does, without control characters in text, which rich counts as having no width."""
        for segment in super().render(renderable, options):
            if segment.control or not _CONTROLS.search(segment.text):
                yield segment
            else:
                yield Segment(_CONTROLS.sub("", segment.text), segment.style)


console = SafeConsole(highlight=False, emoji=False)
errors = SafeConsole(stderr=True, highlight=False, emoji=False)

TERMS = (
    "Telegram's API terms (1.5) forbid the use of data from Telegram to train models, and its content-licensing page "
    "allows exceptions only where all users concerned have agreed for that chat. This program therefore "
    "trains on a chat only after you record who agreed to it ([cyan]clone chats consent[/]), and answers only chats "
    "that you allow. Accounts that log in through unofficial programs are watched by Telegram, and some were banned. "
    "Everything stays on this machine. Whether to continue is your decision, and your responsibility."
)


class Session:
    """One run of the command line: its settings and its store, opened on first use.

    Args:
        home: Folder given by `--home`, or None.
    """

    def __init__(self, home: Path | None) -> None:
        self._home = home
        self._settings: Settings | None = None

    @property
    def settings(self) -> Settings:
        """Return the settings, reading them on first use, from a home folder that is private by then.

        What was mended there, and former names of settings, are noted on standard error.

        Raises:
            ConfigError: A value is wrong, or others can change the home folder.
        """
        if self._settings is None:
            notes = protect_home(find_home(self._home))
            self._settings = load_settings(self._home)
            if self._settings.home != find_home(self._home):  # its `.env` names another
                notes += protect_home(self._settings.home)
            for note in (*notes, *self._settings.notes):
                errors.print(f"[yellow]Note:[/] {escape(note)}")
        return self._settings

    @contextmanager
    def store(self) -> Iterator[Store]:
        """Open the store for the duration of a command; show the terms once.

        Raises:
            StoreError: The database can't be opened.
        """
        with Store.open(self.settings.paths.database) as store:
            show_terms_once(store)
            finish_forgetting(store, self.settings.paths)
            yield store


def show_terms_once(store: Store) -> None:
    """Print Telegram's terms in short, the first time that this home folder is used."""
    if store.facts.get(TERMS_SHOWN) is None:
        errors.print(Panel(TERMS, title="Before you start", border_style="yellow"))
        store.facts.set(TERMS_SHOWN, store.clock())


def session_of(context: typer.Context) -> Session:
    """Return the session that the top command made.

    Raises:
        TypeError: The command runs outside of `clone`.
    """
    session = context.obj
    if not isinstance(session, Session):
        raise TypeError("The command runs outside of `clone`")
    return session


@contextmanager
def byte_progress(title: str) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar by bytes while the context lasts.

    Args:
        title: What is being done; rich markup.

    Yields:
        The function to report progress to: bytes done, bytes in all.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=errors, transient=True) as bar:
        task = bar.add_task(title, total=None)

        def report(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        yield report
