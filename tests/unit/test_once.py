"""Facts that stood in several places once and differed: each is written in one file, and what repeats it follows it."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

import pytest

from training.config import make_config
from userbot.config.settings import Settings
from userbot.domain.prompt_rules import DEFAULT_RULES
from userbot.domain.sampling import Sampling

ROOT = Path(__file__).parents[2]

WRITTEN_ONCE = {
    "Telegram's own accounts": (r"^\w.*\b(777000|42777|333000|489000|1271266957)\b", "userbot/domain/telegram_ids.py"),
    "the mark of channels": (r"-1_?000_?000_?000_?000\b|10 ?\*\* ?12\b", "userbot/domain/telegram_ids.py"),
    "the first derived id": (r"2 ?\*\* ?61\b", "userbot/domain/telegram_ids.py"),
    "names in the home folder": (
        r"\"(backups|reports|runs|models|clone\.db|schedule\.db|telegram\.session)\"",
        "userbot/config/home.py",
    ),
    "a line break within a bubble": (r"\\u2028", "userbot/domain/text.py"),
    "the form of an event": (r"\[\"event\"\]|get\(\"event\"|\"event\":", "training/events.py"),
}
"""What is a fact, the form in which it would be written in code, and the file where it may be."""

OTHER_PROGRAMS = ("userbot/loopback/",)
"""A Telegram server knows Telegram's numbers itself, or it could not prove the client's wrong."""


@pytest.mark.parametrize("fact", WRITTEN_ONCE)
def test_fact_is_written_in_one_file(fact: str) -> None:
    pattern, home = WRITTEN_ONCE[fact]
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("userbot", "training")
        for path in (ROOT / package).rglob("*.py")
        if re.search(pattern, path.read_text("utf-8"), re.MULTILINE)
    }
    assert {path for path in found if not path.startswith(OTHER_PROGRAMS)} == {home}


def test_defaults_of_replies_are_those_of_sampling() -> None:
    reply, sampling = Settings.model_validate({}).reply, Sampling()
    assert (reply.temperature, reply.top_p) == (sampling.temperature, sampling.top_p)
    assert (reply.repetition_penalty, reply.max_new_tokens) == (sampling.repetition_penalty, sampling.max_new_tokens)
    assert reply.context_tokens == sampling.max_prompt_tokens


def test_gate_lets_replies_be_as_long_as_the_daemon() -> None:
    assert make_config().gate.max_new_tokens == Settings.model_validate({}).reply.max_new_tokens


def test_rules_of_training_are_those_of_prompts() -> None:
    data = make_config().data
    assert (timedelta(hours=data.session_gap_h), data.system_line) == (
        DEFAULT_RULES.session_gap,
        DEFAULT_RULES.system_line,
    )
