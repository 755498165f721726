"""Have a reply written and checked; ask again while it is not fit to send."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from userbot.domain.errors import GeneratorUnavailableError
from userbot.domain.messages import Reply
from userbot.domain.metrics import Metrics
from userbot.generator import Generator, Prompt
from userbot.reply.budget import Budget
from userbot.reply.guard import Check, Draft, PrivacyFinding, inspect

log = logging.getLogger(__name__)

TRIES = 3


@dataclass(frozen=True, slots=True)
class Written:
    """A reply fit to send, or what was wrong with the last try.

    Args:
        reply: The reply; None when no try was fit. With a `finding` it is what must not be sent.
        problem: What was wrong with the last try that was not.
        tries: How often the model was asked.
        seconds: Time of all tries together.
        finding: What must stay private; no further try was made.
        spent: Which limit was reached before a try was fit.
    """

    reply: Reply | None
    problem: str | None
    tries: int
    seconds: float
    finding: PrivacyFinding | None = None
    spent: str | None = None


async def write_reply(
    generator: Generator,
    prompt: Prompt,
    *,
    last_own: str | None,
    checks: Sequence[Check],
    metrics: Metrics,
    privacy: Callable[[Reply], Awaitable[PrivacyFinding | None]] | None = None,
    budget: Budget | None = None,
) -> Written:
    """Ask the model up to three times for a reply that passes all checks; each try samples afresh.

    What must stay private ends it at once: who may draw again until something slips through has no guard.

    Args:
        generator: Writes the reply.
        prompt: What to answer.
        last_own: What the owner's side said last in the chat; a reply must not repeat it.
        checks: Further checks, after those on quality.
        metrics: Counts tries and times.
        privacy: Looks for what must not leave, in each try, before its quality; None looks for nothing.
        budget: Counts each try against the limits; what it refuses ends the tries. None counts nothing.

    Returns:
        The first reply that passed, or the last problem, or the finding that ended it.

    Raises:
        GeneratorError: The model failed, or can't be reached.
    """
    problem, seconds = None, 0.0
    for attempt in range(1, TRIES + 1):
        spent = await budget.claim() if budget is not None else None
        if spent is not None:
            return Written(None, problem, attempt - 1, seconds, spent=spent)
        try:
            reply = await generator.generate(prompt)
        except GeneratorUnavailableError:
            if budget is not None:
                await budget.give_back()
            raise
        seconds += reply.seconds
        metrics.generation_s.observe(reply.seconds)
        metrics.tokens.labels("prompt").inc(reply.prompt_tokens)
        metrics.tokens.labels("reply").inc(reply.new_tokens)
        finding = await privacy(reply) if privacy is not None else None
        if finding is not None:
            return Written(reply, problem, attempt, seconds, finding)
        current = inspect(Draft(reply, last_own), checks)
        if current is None:
            return Written(reply, problem, attempt, seconds)
        problem = current
        metrics.retries.inc()
        log.info("reply %d of %d was not fit to send: %s", attempt, TRIES, problem)
    return Written(None, problem, TRIES, seconds)
