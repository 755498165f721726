"""The real reply path, from a stored burst to the delivered bubbles, with somebody else's hand on the clock."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests" / "support"))

from fakes import FakeClock
from fakes_reply import Core, contact_says, reply_config

from userbot.config.settings import TrustSettings
from userbot.domain.messages import Chat, Message
from userbot.generator import Generator
from userbot.reply.privacy import PrivacyGuard
from userbot.store import Store
from userbot.store.decisions import Decision, ReplyState
from userbot.trust.disclosure import DisclosureIndex

__all__ = ["Core", "FakeClock", "make_core", "send_burst"]

NO_LIMITS = reply_config(pace=0, per_chat_per_hour=100_000, per_day=1_000_000, max_without_owner=1_000_000)
BURST_OVER_S = 20.0
_IDS = count(10_000_000)
"""Ids of what strangers write; the fake Telegram gives what is sent smaller ones."""

SESSION_OVER_S = 7 * 3600.0
ANSWER_TIMEOUT_S = 300.0


def make_core(store: Store, clock: FakeClock, generator: Generator, *, guarded: bool) -> Core:
    """Put the reply path together, on a fake Telegram.

    Args:
        store: Holds the owner's life.
        clock: Moved by the benchmark.
        generator: Writes the replies.
        guarded: Whether the disclosure guard looks at them.
    """
    if not guarded:
        return Core(store, clock, generator=generator, config=NO_LIMITS)
    index = DisclosureIndex(store.disclosure)
    while index.update():
        pass
    guard = PrivacyGuard(index, together=TrustSettings().guard_replies)  # type: ignore[call-arg]  # defaults
    return Core(store, clock, generator=generator, config=NO_LIMITS, privacy=guard)


@dataclass(frozen=True, slots=True)
class Answered:
    """What came of a burst.

    Args:
        bubbles: What was delivered.
        state: Of the decision.
        reason: Why nothing was delivered.
    """

    bubbles: tuple[str, ...]
    state: ReplyState
    reason: str | None


async def send_burst(core: Core, chat: Chat, texts: Sequence[str]) -> Answered:
    """Have a contact write a burst, and wait until it was decided about and all was delivered.

    Raises:
        TimeoutError: Nothing was decided.
    """
    before = len(core.messenger.sent)
    burst = [contact_says(next(_IDS), text, core.clock, chat_id=chat.id) for text in texts]
    await core.receive(chat, *burst)
    await core.advance(BURST_OVER_S)
    decision = await _wait_for_decision(core, burst[-1])
    await core.advance(BURST_OVER_S)
    bubbles = tuple(text for chat_id, text in core.messenger.sent[before:] if chat_id == chat.id)
    return Answered(bubbles, decision.state, decision.reason)


async def _wait_for_decision(core: Core, message: Message) -> Decision:
    # The model writes on a thread of its own, in real time.
    async with asyncio.timeout(ANSWER_TIMEOUT_S):
        while True:
            newest = core.store.replies.newest(message.chat_id)
            if newest and newest[0].trigger_id == message.id:
                return newest[0]
            await asyncio.sleep(0.01)
            await core.settle()
