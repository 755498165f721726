"""What the owner keeps out of training."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from fakes import START, bubble

from userbot.domain.exclusions import Excluded, Exclusion
from userbot.domain.messages import Origin

MESSAGE = replace(bubble(5, "Был в больнице вчера", chat_id=7), sender_id=42, sender_name="Ivan  P.", topic_id=3)


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        (Exclusion(chat_id=7), True),
        (Exclusion(chat_id=8), False),
        (Exclusion(word="больниц"), True),
        (Exclusion(word="БОЛЬНИЦЕ  вчера"), True),
        (Exclusion(word="ольниц"), False),
        (Exclusion(person="ivan p."), True),
        (Exclusion(person="42"), True),
        (Exclusion(person="Ivan"), False),
        (Exclusion(topic_id=3, chat_id=7), True),
        (Exclusion(topic_id=4, chat_id=7), False),
        (Exclusion(since=START), True),
        (Exclusion(since=START + timedelta(days=1)), False),
        (Exclusion(until=START), False),
        (Exclusion(word="больниц", person="Petr"), False),
    ],
)
def test_message_is_kept_out_where_all_of_a_rule_is_true(rule: Exclusion, held: bool) -> None:
    assert rule.matches(MESSAGE) is held


def test_owner_is_no_person_of_a_rule() -> None:
    assert not Exclusion(person="42").matches(replace(MESSAGE, origin=Origin.OWNER))


def test_answer_to_a_message_that_is_kept_out_is_kept_out_too() -> None:
    excluded = Excluded([Exclusion(person="42"), Exclusion(chat_id=9)], 7)
    answer = replace(bubble(6, "ok", chat_id=7, origin=Origin.OWNER), reply_to_id=5)
    assert [excluded.holds(message) for message in (answer, MESSAGE, answer)] == [False, True, True]


def test_only_a_rule_with_nothing_but_a_chat_means_the_whole_chat() -> None:
    assert Exclusion(chat_id=7).is_whole_chat
    assert not Exclusion(chat_id=7, word="a").is_whole_chat
    assert not Exclusion(word="a").is_whole_chat
