"""Sessions with placeholders."""

from __future__ import annotations

from collections import Counter

from fakes import START

from training.data.masked import mask_sessions
from training.data.samples import Reason
from training.data.sessions import Session
from userbot.domain.messages import Turn
from userbot.domain.prompt_rules import Masking


def mask(*pairs: tuple[str, str]) -> tuple[list[Session], Counter[str], Counter[Reason]]:
    turns = tuple(turn for asked, said in pairs for turn in (Turn(False, (asked,)), Turn(True, (said,))))
    counts, left_out = Counter[str](), Counter[Reason]()
    session = Session(101, turns, (False, True) * len(pairs), START)
    return list(mask_sessions([session], Masking(), counts=counts, left_out=left_out)), counts, left_out


def test_turn_that_is_mostly_private_stays_as_context_and_is_not_supervised() -> None:
    (session,), counts, left_out = mask(("какой пароль?", "hunter22"), ("спасибо", "не за что, заходи"))
    assert [turn.bubbles[0] for turn in session.turns] == [
        "какой пароль?",
        "[password]",
        "спасибо",
        "не за что, заходи",
    ]
    assert session.supervised == (False, False, False, True)
    assert (counts, left_out) == ({"password": 1}, {Reason.MASKED: 1})


def test_session_without_anything_left_to_learn_is_dropped() -> None:
    sessions, _, left_out = mask(("пин?", "пин 4821"))
    assert sessions == [] and left_out[Reason.MASKED] == 1
