"""An order is done after a yes that means it: once, in time, and no other one."""

from __future__ import annotations

import pytest
from fakes import FakeClock

from userbot.daemon.command_context import CommandContext
from userbot.daemon.confirmation import VALID_FOR, Confirmations, Order, order_on_chat, read_answer
from userbot.domain.errors import ChatNotFoundError, ConfigError
from userbot.domain.messages import Chat

ONE = Order(verb="allow", argument="101", effect="answer Vera (id 101)")
OTHER = Order(verb="draft", argument="102", effect="write drafts for Ann (id 102)")


@pytest.fixture
def confirmations(clock: FakeClock) -> Confirmations:
    return Confirmations(clock)


def test_question_names_the_effect_and_how_to_answer(confirmations: Confirmations) -> None:
    question = confirmations.ask(ONE)
    assert question.startswith("To be done: answer Vera (id 101).")
    assert "`yes`" in question and "`/clone yes`" in question and "within 5 minutes" in question


def test_order_is_given_out_once(confirmations: Confirmations) -> None:
    confirmations.ask(ONE)
    assert confirmations.take() == ONE
    with pytest.raises(ConfigError, match=r"No order waits for a yes: .* forgotten when the daemon restarts"):
        confirmations.take()


def test_order_is_too_old_after_some_minutes(confirmations: Confirmations, clock: FakeClock) -> None:
    confirmations.ask(ONE)
    clock.advance(VALID_FOR.total_seconds() - 1)
    assert confirmations.take() == ONE
    confirmations.ask(ONE)
    clock.advance(VALID_FOR.total_seconds())
    with pytest.raises(ConfigError, match="Give the order again"):
        confirmations.take()


def test_newer_order_takes_the_place_of_the_older_and_says_so(confirmations: Confirmations) -> None:
    confirmations.ask(ONE)
    assert "Not done, as this order came after it: answer Vera (id 101)." in confirmations.ask(OTHER)
    assert confirmations.take() == OTHER
    with pytest.raises(ConfigError):
        confirmations.take()


def test_yes_to_another_question_is_not_taken_for_this_one(confirmations: Confirmations) -> None:
    confirmations.ask(ONE)
    confirmations.note_question(7)
    confirmations.ask(OTHER)
    confirmations.note_question(9)
    with pytest.raises(ConfigError, match=r"answers another message.*Ann \(id 102\)"):
        confirmations.take(reply_to_id=7)
    assert confirmations.take(reply_to_id=9) == OTHER


@pytest.mark.parametrize(
    ("text", "verb"),
    [("Yes!", "yes"), (" да ", "yes"), ("y", "yes"), ("Нет.", "no"), ("NO", "no"), ("yes please", None), ("", None)],
)
def test_plain_answer_is_one_word(text: str, verb: str | None) -> None:
    assert read_answer(text) == verb


def test_dropped_order_is_not_done(confirmations: Confirmations) -> None:
    confirmations.ask(ONE)
    assert confirmations.drop() == "Not done: answer Vera (id 101)."
    assert confirmations.drop() == "No order waits for a yes."
    with pytest.raises(ConfigError):
        confirmations.take()


async def test_order_on_a_chat_holds_its_id(context: CommandContext, friend: Chat) -> None:
    prepare = order_on_chat("forget", "delete {chat} for good")
    order = await prepare("@vera", context)
    assert (order.verb, order.argument, order.effect) == ("forget", "101", "delete Vera (id 101, @vera) for good")
    with pytest.raises(ConfigError, match="as in `/clone forget @vera`"):
        await prepare("", context)
    with pytest.raises(ChatNotFoundError):
        await prepare("Boris", context)
