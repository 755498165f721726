"""Several model servers in order of preference: the next one answers while one is out of order."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from userbot.domain.errors import AdapterError, GeneratorError
from userbot.domain.messages import Reply
from userbot.domain.prompt_rules import PromptRules
from userbot.generator import Prompt
from userbot.generator.remote import RemoteGenerator

log = logging.getLogger(__name__)

FAILURES_TO_OPEN = 2
OPEN_S = 30.0


@dataclass(slots=True)
class _Breaker:
    """Keeps a server that failed several times in a row from being asked for a while.

    Args:
        failures: In a row.
        open_until: Monotonic seconds; it is asked again afterwards, and a single failure opens the breaker again.
    """

    failures: int = 0
    open_until: float = 0.0

    def succeed(self) -> None:
        self.failures, self.open_until = 0, 0.0

    def fail(self, now: float) -> bool:
        """Count a failure; tell whether the server is left alone from now on."""
        self.failures += 1
        if self.failures < FAILURES_TO_OPEN:
            return False
        self.open_until = now + OPEN_S
        return True


class FailoverGenerator:
    """Asks the first server that is in order. All of them are to serve the same adapters.

    A server that fails twice in a row is left alone for half a minute; when all are, each is asked all the same, in
    order, since an answer that may come is better than none.

    Args:
        servers: In order of preference, one at least; all begin with the same adapter.
        clock: Monotonic, seconds.
    """

    def __init__(self, servers: Sequence[RemoteGenerator], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._servers = [(server, _Breaker()) for server in servers]
        self._clock = clock

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the adapter that writes the next reply; None for the bare base."""
        return self._servers[0][0].adapter_id

    @property
    def rules(self) -> PromptRules:
        """Return how prompts for the next reply are to be cut: as the active adapter was trained."""
        return self._servers[0][0].rules

    async def generate(self, prompt: Prompt) -> Reply:
        """Ask for the owner's next turn.

        Raises:
            GeneratorUnavailableError: The first server can't be reached, and no other one answers.
            GeneratorError: The first server fails, and no other one answers.
            AdapterError: The first server does not serve the adapter, and no other one answers.
        """
        now = self._clock()
        closed = [entry for entry in self._servers if entry[1].open_until <= now]
        failures: list[GeneratorError | AdapterError] = []
        for place, (server, breaker) in enumerate(closed or self._servers):
            try:
                reply = await server.generate(prompt)
            except (GeneratorError, AdapterError) as exc:
                failures.append(exc)
                if breaker.fail(self._clock()):
                    log.warning("model server %d is left alone for %g s: %s", place + 1, OPEN_S, type(exc).__name__)
                continue
            breaker.succeed()
            return reply
        raise failures[0]

    async def activate(self, adapter_id: str | None) -> None:
        """Ask for another adapter from now on, on all servers; those that fail now are asked to load it when used.

        Raises:
            AdapterError: No server can serve it; the old one stays active.
            GeneratorError: No server can be reached.
        """
        previous = self.adapter_id
        servers = [server for server, _ in self._servers]
        results = await asyncio.gather(*(server.activate(adapter_id) for server in servers), return_exceptions=True)
        failures = [result for result in results if isinstance(result, BaseException)]
        unexpected = [failure for failure in failures if not isinstance(failure, GeneratorError | AdapterError)]
        everywhere = len(failures) == len(servers)
        for server, result in zip(servers, results, strict=True):
            if unexpected or everywhere:
                server.aim(previous)
            elif isinstance(result, BaseException):
                server.aim(adapter_id)
        if unexpected or everywhere:
            raise (unexpected or failures)[0]

    async def close(self) -> None:
        """Close the connections."""
        for server, _ in self._servers:
            await server.close()
