"""The daemon's log: for people or as JSON, one line each. No message text is ever logged."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

QUIET_LOGGERS = ("telethon", "httpx", "httpcore", "apscheduler", "alembic", "sqlalchemy", "asyncio")
"""Libraries that log much of no use, and may quote requests; only their warnings pass."""


class JsonFormatter(logging.Formatter):
    """Writes one JSON object per line: time, level, logger, text, and the error's trace where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line for a record."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "text": record.getMessage(),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False)


def set_up_logging(
    form: Literal["human", "json"] = "human", level: str = "info", *, stream: TextIO | None = None
) -> None:
    """Send all logging to a stream, replacing what was set up before.

    Args:
        form: `human` for lines to read, `json` for a log collector.
        level: `debug`, `info`, `warning` or `error`.
        stream: Where to; standard error unless given.
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    plain = logging.Formatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if form == "json" else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))
