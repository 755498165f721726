"""May a burst be answered? Every refusal and hold, with its reason."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes import START, bubble
from fakes_reply import reply_config

from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.reply.policy import PolicyInput, Rules, Ruling, Verdict, judge

FRIEND = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera", mode=Mode.AUTO)
HOUR = timedelta(hours=1)


def _rules(**settings: Any) -> Rules:
    return reply_config(**settings).rules


def _situation(**changes: object) -> PolicyInput:
    known: dict[str, object] = {"chat": FRIEND, "burst": (bubble(1, "hi"),), "owner_seen_at": START - HOUR}
    return PolicyInput(**{**known, **changes})  # type: ignore[arg-type]  # a test's shorthand


def test_allowed_friend_is_answered() -> None:
    assert judge(_situation(), _rules(), START) == Verdict(Ruling.ANSWER)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chat": replace(FRIEND, mode=Mode.OFF)}, "the chat is not on the allow-list"),
        ({"chat": replace(FRIEND, kind=ChatKind.BOT)}, "a bot chat is never answered"),
        ({"chat": replace(FRIEND, kind=ChatKind.CHANNEL)}, "a channel chat is never answered"),
        ({"chat": replace(FRIEND, kind=ChatKind.SERVICE)}, "a service chat is never answered"),
        ({"chat": replace(FRIEND, kind=ChatKind.SAVED)}, "a saved chat is never answered"),
        ({"chat": replace(FRIEND, id=777000)}, "a private chat is never answered"),
        ({"chat": replace(FRIEND, source="whatsapp")}, "a private chat is never answered"),
        ({"chat": replace(FRIEND, kind=ChatKind.GROUP)}, "nobody addressed the owner in the group"),
        ({"burst": (bubble(1, "  "),)}, "the burst has no content"),
        ({"burst": (bubble(1, "hi", at_s=-3601),)}, "older than 3600 s"),
        ({"replies_without_owner": 20}, "20 replies without the owner: it is the owner's turn"),
    ],
)
def test_what_time_will_not_change_is_refused(changes: dict[str, object], reason: str) -> None:
    assert judge(_situation(**changes), _rules(), START) == Verdict(Ruling.REFUSE, reason)


def test_group_that_addresses_the_owner_is_answered() -> None:
    group = replace(FRIEND, kind=ChatKind.GROUP)
    assert judge(_situation(chat=group, mentioned=True), _rules(), START).ruling is Ruling.ANSWER


@pytest.mark.parametrize(
    ("changes", "rules", "reason", "retry_at"),
    [
        ({"paused_until": START + HOUR}, _rules(), "everything is paused", START + HOUR),
        ({"chat": replace(FRIEND, paused_until=START + HOUR)}, _rules(), "the chat is paused", START + HOUR),
        ({}, _rules(quiet_hours="11:00-14:00", zone="UTC"), "quiet hours", START + 2 * HOUR),
        (
            {"owner_seen_at": None},
            _rules(only_offline_min=10),
            "the owner is online, or was a moment ago",
            START + timedelta(minutes=10),
        ),
        (
            {"owner_seen_at": START - timedelta(minutes=4)},
            _rules(only_offline_min=10),
            "the owner is online, or was a moment ago",
            START + timedelta(minutes=6),
        ),
        ({"replies_in_hour": 30}, _rules(), "30 replies to this chat within an hour", START + timedelta(minutes=5)),
        ({"replies_in_day": 300}, _rules(), "300 replies within a day", START + timedelta(minutes=15)),
    ],
)
def test_what_time_will_change_is_held(
    changes: dict[str, object], rules: Rules, reason: str, retry_at: datetime
) -> None:
    assert judge(_situation(**changes), rules, START) == Verdict(Ruling.HOLD, reason, retry_at)


def test_hold_that_lasts_longest_is_told() -> None:
    both = _situation(paused_until=START + HOUR, replies_in_hour=30)
    assert judge(both, _rules(), START).reason == "everything is paused"


def test_owner_away_for_long_enough_is_no_hindrance() -> None:
    assert judge(_situation(), _rules(only_offline_min=10), START).ruling is Ruling.ANSWER


def test_pause_that_is_over_is_no_hindrance() -> None:
    assert judge(_situation(paused_until=START - HOUR), _rules(), START).ruling is Ruling.ANSWER
