"""The daemon's log: for people or as JSON, without the chatter of libraries."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Literal

import pytest

from userbot.daemon.logs import set_up_logging


@pytest.fixture
def untouched_logging() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.mark.usefixtures("untouched_logging")
def test_json_log_has_one_object_a_line_with_the_trace() -> None:
    stream = io.StringIO()
    set_up_logging("json", "info", stream=stream)
    logging.getLogger("userbot.test").info("sent %d", 2)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("userbot.test").exception("failed")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["level"], first["logger"], first["text"]) == ("info", "userbot.test", "sent 2")
    assert second["trace"].endswith("builtins.ValueError") and 'raise ValueError("broken")' in second["trace"]


@pytest.mark.parametrize("form", ["human", "json"])
@pytest.mark.usefixtures("untouched_logging")
def test_trace_names_the_kinds_of_errors_and_never_quotes_them(form: Literal["human", "json"]) -> None:
    stream = io.StringIO()
    set_up_logging(form, "info", stream=stream)
    words = "meet me at nine"
    try:
        try:
            raise KeyError(words)
        except KeyError as exc:
            raise ExceptionGroup(words, [ValueError(words), OSError(2, words)]) from exc
    except ExceptionGroup:
        logging.getLogger("userbot.test").exception("failed")
    text = stream.getvalue()
    assert words not in text
    parts = ("| builtins.ValueError", "| builtins.FileNotFoundError")
    for kind in ("KeyError", "which led to:", "ExceptionGroup", *parts):
        assert kind in text


@pytest.mark.usefixtures("untouched_logging")
def test_human_log_keeps_libraries_quiet() -> None:
    stream = io.StringIO()
    set_up_logging("human", "info", stream=stream)
    logging.getLogger("httpx").info("POST …")
    logging.getLogger("userbot.test").info("hello")
    assert stream.getvalue().rstrip().endswith("INFO    userbot.test: hello")
    assert "POST" not in stream.getvalue()
