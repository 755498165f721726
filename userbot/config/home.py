"""Every path under the home folder, once.

::

    <home>/                    0700
      .env                     settings
      clone.db                 the database
      telegram.session         full access to the account
      schedule.db              when scheduled jobs run next
      forgotten.json           what must stay forgotten, see `userbot.store.forget_journal`
      encryption.json          there while the databases are encrypted
      adapters/<adapter id>/   see `userbot.store.adapters`
      runs/<run id>/           see `userbot.store.runs`
      reports/<adapter id>/    see `ReportPaths`
      models/                  the embedded base, unpacked
      backups/                 copies of the database
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

DEFAULT_HOME = Path("~/.telegram-clone")


@dataclass(frozen=True, slots=True)
class ReportPaths:
    """Files of one adapter's likeness report.

    Args:
        folder: `<home>/reports/<adapter id>`.
    """

    folder: Path

    @property
    def comparison(self) -> Path:
        """Return the path of the verdict with the replies that it rests on."""
        return self.folder / "trial.json"  # the name that older versions gave it

    @property
    def page(self) -> Path:
        """Return the path of the report."""
        return self.folder / "report.html"

    @property
    def sheet(self) -> Path:
        """Return the path of the blind test for friends."""
        return self.folder / "sheet.html"

    @property
    def summary(self) -> Path:
        """Return the path of the picture with three numbers."""
        return self.folder / "summary.png"


@dataclass(frozen=True, slots=True)
class HomePaths:
    """Where everything of one owner lies.

    Args:
        home: The home folder.
    """

    home: Path

    @property
    def env_file(self) -> Path:
        """Return the path of the settings."""
        return self.home / ".env"

    @property
    def database(self) -> Path:
        """Return the path of the SQLite database."""
        return self.home / "clone.db"

    @property
    def session(self) -> Path:
        """Return the path of the Telethon session: full access to the account."""
        return self.home / "telegram.session"

    @property
    def schedule(self) -> Path:
        """Return the path of the scheduler's own database."""
        return self.home / "schedule.db"

    @property
    def forgotten(self) -> Path:
        """Return the path of the journal of forgetting."""
        return self.home / "forgotten.json"

    @property
    def encryption(self) -> Path:
        """Return the path of the marker that the databases are encrypted."""
        return self.home / "encryption.json"

    @property
    def adapters(self) -> Path:
        """Return the folder that holds one folder per adapter."""
        return self.home / "adapters"

    @property
    def runs(self) -> Path:
        """Return the folder of training runs."""
        return self.home / "runs"

    @property
    def reports(self) -> Path:
        """Return the folder that holds one folder per report."""
        return self.home / "reports"

    @property
    def models(self) -> Path:
        """Return the folder where the embedded base is unpacked."""
        return self.home / "models"

    @property
    def backups(self) -> Path:
        """Return the folder of database copies."""
        return self.home / "backups"

    def report(self, adapter_id: str) -> ReportPaths:
        """Return the paths of an adapter's report."""
        return ReportPaths(self.reports / adapter_id)
