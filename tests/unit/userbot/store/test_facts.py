"""Facts: every one keeps its type, and what other versions wrote is read."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes import START
from sqlalchemy import text

from userbot.domain.exclusions import Exclusion
from userbot.store import Store, facts
from userbot.store.facts import (
    COMMAND_ID,
    DAEMON,
    DISCLOSURE_KEY,
    EXCLUSIONS,
    EXPORTS,
    KEEP_DAYS,
    OPTED_OUT,
    OWN_DRAFTS,
    OWNER_ID,
    OWNER_NAME,
    OWNER_USERNAME,
    PAUSED_UNTIL,
    PULL,
    QUESTION_ID,
    RETRAIN_SEEN_AT,
    RETRAIN_WISH,
    ROLLBACK_PROPOSED,
    TERMS_SHOWN,
    TRAINING,
    DaemonState,
    Export,
    Fact,
    PullMark,
    PullState,
    RetrainWish,
    TrainingState,
    pull_mark,
    reconciled_up_to,
)

VALUES: list[tuple[Fact[Any], Any]] = [
    (OWNER_ID, 42),
    (OWNER_NAME, "Lev"),
    (OWNER_USERNAME, "lev"),
    (TERMS_SHOWN, START),
    (PAUSED_UNTIL, START + timedelta(days=36500)),
    (OWN_DRAFTS, {101: "maybe\ntomorrow", -5: "yes"}),
    (DISCLOSURE_KEY, "0f"),
    (KEEP_DAYS, {101: 30, -5: 0}),
    (COMMAND_ID, 7),
    (QUESTION_ID, 8),
    (DAEMON, DaemonState(state="connected", since=START, beat_at=START + timedelta(seconds=15), pid=1)),
    (PULL, PullState(running=True, title="Vera", fetched=5, total=9, waiting_s=1.5)),
    (pull_mark(101), PullMark(newest=9, oldest=2, done=True)),
    (reconciled_up_to(101), 9),
    (TRAINING, TrainingState(state="training", reason="due", started_at=START, step=3, total=9, loss=2.5, pid=5)),
    (RETRAIN_WISH, RetrainWish(reason="due", waits="mains power", resume=True)),
    (RETRAIN_SEEN_AT, START),
    (ROLLBACK_PROPOSED, "a2"),
    (DISCLOSURE_KEY, "00ff"),
    (OPTED_OUT, {-300: (5, 6)}),
    (EXPORTS, (Export(path="/x/mine.jsonl", chat_ids=(101, 102)),)),
    (EXCLUSIONS, (Exclusion(chat_id=101, since=START), Exclusion(word="hospital"))),
]


def _write_raw(store: Store, name: str, value: Any) -> None:
    with store.engine.begin() as connection:
        connection.execute(text("INSERT INTO facts VALUES (:key, :value)"), {"key": name, "value": json.dumps(value)})


@pytest.mark.parametrize(("fact", "value"), VALUES, ids=[fact.name for fact, _ in VALUES])
def test_fact_comes_back_as_it_was_set(store: Store, fact: Fact[Any], value: Any) -> None:
    assert store.facts.get(fact) is None
    store.facts.set(fact, value)
    assert store.facts.get(fact) == value
    store.facts.set(fact, None)
    assert store.facts.get(fact) is None


def test_every_fact_is_tested_and_stands_in_the_table_of_the_docstring() -> None:
    named = {fact.name: fact for fact in vars(facts).values() if isinstance(fact, Fact)}
    tested = {fact.name.replace(":101", ":<chat id>") for fact, _ in VALUES}
    documented = set(re.findall(r"^`([\w:<> ]+)` ", facts.__doc__ or "", re.MULTILINE))
    assert tested == documented
    assert set(named) <= tested


@pytest.mark.parametrize(
    ("fact", "stored", "value"),
    [
        (
            TRAINING,
            {"state": "promoted", "adapter_id": "x", "report": "/r/report.html"},
            TrainingState(state="promoted", adapter_id="x", report="/r/report.html"),
        ),
        (
            TRAINING,
            {"state": "training", "started_at": "2026-01-05T12:00:00+00:00", "eta_s": None},
            TrainingState(state="training", started_at=START),
        ),
        (
            RETRAIN_WISH,
            {"reason": "it is time", "waits": "mains power"},
            RetrainWish(reason="it is time", waits="mains power"),
        ),
        (RETRAIN_WISH, {"reason": "interrupted", "resume": True}, RetrainWish(reason="interrupted", resume=True)),
        (PULL, {"running": False, "text": "5 new messages"}, PullState(text="5 new messages")),
        (
            DAEMON,
            {
                "state": "connected",
                "since": "2026-01-05T12:00:00+00:00",
                "beat_at": "2026-01-05T12:00:15+00:00",
                "pid": 12,
            },
            DaemonState(state="connected", since=START, beat_at=START + timedelta(seconds=15), pid=12),
        ),
        (OWN_DRAFTS, {"101": "first thought"}, {101: "first thought"}),
        (PAUSED_UNTIL, "2026-01-05T15:00:00+03:00", datetime(2026, 1, 5, 12, tzinfo=UTC)),
        (pull_mark(5), {"newest": 9, "oldest": 2}, PullMark(newest=9, oldest=2)),
    ],
)
def test_what_the_version_before_wrote_is_read(store: Store, fact: Fact[Any], stored: Any, value: Any) -> None:
    _write_raw(store, fact.name, stored)
    assert store.facts.get(fact) == value


def test_names_that_this_version_does_not_know_are_left_out(store: Store) -> None:
    _write_raw(store, "pull", {"running": True, "title": "Vera", "speed": 12, "source": {"server": 2}})
    assert store.facts.get(PULL) == PullState(running=True, title="Vera")


def test_fact_that_is_set_again_is_replaced(store: Store) -> None:
    store.facts.set(TRAINING, TrainingState(state="training", step=3))
    store.facts.set(TRAINING, TrainingState(state="failed"))
    assert store.facts.get(TRAINING) == TrainingState(state="failed")


def test_facts_of_two_chats_are_kept_apart(store: Store) -> None:
    store.facts.set(reconciled_up_to(1), 10)
    store.facts.set(reconciled_up_to(2), 20)
    assert (store.facts.get(reconciled_up_to(1)), store.facts.get(reconciled_up_to(2))) == (10, 20)
