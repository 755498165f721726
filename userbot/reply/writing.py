"""Have a reply written and checked; ask again while it is not fit to send."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from userbot.domain.messages import Reply
from userbot.domain.metrics import Metrics
from userbot.generator import Generator, Prompt
from userbot.reply.guard import Check, Draft, inspect

log = logging.getLogger(__name__)

TRIES = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A reply fit to send, or what was wrong with the last try.

    Args:
        reply: The reply; None when no try was fit.
        problem: What was wrong with the last try that was not.
        tries: How often the model was asked.
        seconds: Time of all tries together.
    """

    reply: Reply | None
    problem: str | None
    tries: int
    seconds: float


async def write_reply(
    generator: Generator, prompt: Prompt, *, last_own: str | None, checks: Sequence[Check], metrics: Metrics
) -> Written:
    """Ask the model up to three times for a reply that passes all checks; each try samples afresh.

    Args:
        generator: Writes the reply.
        prompt: What to answer.
        last_own: What the owner's side said last in the chat; a reply must not repeat it.
        checks: Further checks, after those on quality.
        metrics: Counts tries and times.

    Returns:
        The first reply that passed, or the last problem.

    Raises:
        GeneratorError: The model failed, or can't be reached.
    """
    problem, seconds = None, 0.0
    for attempt in range(1, TRIES + 1):
        reply = await generator.generate(prompt)
        seconds += reply.seconds
        metrics.generation_s.observe(reply.seconds)
        metrics.tokens.labels("prompt").inc(reply.prompt_tokens)
        metrics.tokens.labels("reply").inc(reply.new_tokens)
        current = inspect(Draft(reply, last_own), checks)
        if current is None:
            return Written(reply, problem, attempt, seconds)
        problem = current
        metrics.retries.inc()
        log.info("reply %d of %d was not fit to send: %s", attempt, TRIES, problem)
    return Written(None, problem, TRIES, seconds)
