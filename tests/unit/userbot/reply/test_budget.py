"""Every generation counts, drafts and tries that are thrown away too, and no chat takes all."""

from __future__ import annotations

import pytest
from fakes import FakeClock
from fakes_reply import Core, ScriptedGenerator, contact_says, reply_config

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Chat, ChatKind, Mode
from userbot.reply.budget import Budget
from userbot.store import Store
from userbot.store.thread import StoreThread


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.DRAFT])
async def test_limit_holds_for_drafts_as_for_answers_and_after_a_restart(
    store: Store, clock: FakeClock, ally: Chat, mode: Mode
) -> None:
    store.chats.set_mode(101, mode)
    generator = ScriptedGenerator(*[f"draft {n}" for n in range(30)])
    config = reply_config(pace=0, per_chat_per_hour=5)
    for start in (0, 15):
        async with Core(store, clock, generator, config) as core:
            for number in range(start, start + 15):
                await core.receive(ally, contact_says(number + 1, f"hi {number}", clock))
                await core.advance(20)
    assert len(generator.prompts) == 5
    assert store.replies.newest()[0].reason == "5 replies to this chat within an hour"


async def test_tries_that_are_not_fit_count(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator(*[""] * 30)
    async with Core(store, clock, generator, reply_config(pace=0, per_chat_per_hour=4)) as core:
        for number in range(4):
            await core.receive(ally, contact_says(number + 1, f"hi {number}", clock))
            await core.advance(20)
    assert len(generator.prompts) == 4


async def test_one_chat_leaves_the_others_their_part_of_the_day(store: Store, clock: FakeClock, ally: Chat) -> None:
    other = Chat(id=102, kind=ChatKind.PRIVATE, title="Max")
    store.chats.save([other])
    store.chats.set_mode(102, Mode.AUTO)
    generator = ScriptedGenerator()
    config = reply_config(pace=0, per_day=10, chat_share=0.6)
    async with Core(store, clock, generator, config) as core:
        for number in range(9):
            await core.receive(ally, contact_says(number + 1, f"hi {number}", clock))
            await core.advance(20)
        assert len(core.messenger.sent) == 6
        assert store.replies.newest(101)[0].reason == "6 replies to this chat within a day, its share of 10"
        for number in range(9):
            await core.receive(other, contact_says(number + 1, f"hi {number}", clock, 102))
            await core.advance(20)
        assert len(core.messenger.sent) == 10
        assert store.replies.newest(102)[0].reason == "10 replies within a day"


async def test_model_that_can_not_be_reached_costs_nothing(store: Store, clock: FakeClock, ally: Chat) -> None:
    generator = ScriptedGenerator(*[GeneratorUnavailableError("away")] * 4, "back")
    async with Core(store, clock, generator, reply_config(pace=0, per_chat_per_hour=1)) as core:
        await core.receive(ally, contact_says(1, "hi", clock))
        await core.advance(120)
        assert core.messenger.sent == [(101, "back")]


async def test_two_bursts_can_not_take_the_last_generation_both(store: Store, ally: Chat) -> None:
    thread = StoreThread()
    rules = reply_config(pace=0, per_chat_per_hour=1).rules
    budgets = [Budget(store, thread, chat_id=101, rules=rules) for _ in range(2)]
    try:
        assert [await budget.claim() for budget in budgets] == [None, "1 replies to this chat within an hour"]
        await budgets[0].give_back()
        assert await budgets[1].claim() is None
    finally:
        thread.close()
