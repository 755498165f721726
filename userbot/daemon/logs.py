"""The daemon's log: for people or as JSON, one line each. No message text is ever logged."""

from __future__ import annotations

import json
import logging
import sys
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal, TextIO

QUIET_LOGGERS = ("telethon", "httpx", "httpcore", "apscheduler", "alembic", "sqlalchemy", "asyncio")
"""Libraries that log much of no use, and may quote requests; only their warnings pass."""


class DiscreetFormatter(logging.Formatter):
    """Writes traces with the kinds of errors, without their texts: a library's error may quote what it choked on."""

    def formatException(self, ei: Any) -> str:  # noqa: N802  # the name in the standard library
        """Return the frames and the kind of an error, of its causes before it, and of the errors in a group."""
        return "\n".join(_describe(ei[1])) if ei[1] is not None else "no error"


class JsonFormatter(DiscreetFormatter):
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
    plain = DiscreetFormatter("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")
    handler.setFormatter(JsonFormatter() if form == "json" else plain)
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLevelName(level.upper())))


def _describe(error: BaseException) -> Iterator[str]:
    cause = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if cause is not None:
        yield from _describe(cause)
        yield "which led to:"
    yield from "".join(traceback.format_tb(error.__traceback__)).splitlines()
    yield f"{type(error).__module__}.{type(error).__qualname__}"
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from (f"  | {line}" for line in _describe(part))
