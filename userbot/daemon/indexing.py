"""Keep the disclosure index up to date in the background, in batches between which everything else goes on."""

from __future__ import annotations

import logging

from sqlalchemy.exc import OperationalError

from userbot.reply.timer import Timer
from userbot.store.thread import StoreThread
from userbot.trust.disclosure import DisclosureIndex

log = logging.getLogger(__name__)

PAUSE_S = 0.01
"""Time between two batches, for whatever else waits for the store."""

IDLE_S = 1.0
"""Time between two looks for messages to index."""


async def keep_indexed(index: DisclosureIndex, thread: StoreThread, timer: Timer) -> None:
    """Index whatever is stored, deleted or changed; never returns.

    Args:
        index: The disclosure index.
        thread: Runs the store's calls; a batch takes it for some 30 ms.
        timer: Waits.
    """
    indexed = 0
    while True:
        try:
            done = await thread.run(index.update)
        except OperationalError as exc:
            # A full disk or a locked database passes; replies wait meanwhile.
            log.warning("the disclosure index could not be updated: %s", type(exc.orig).__name__)
            done = 0
        indexed += done
        if done:
            await timer.sleep(PAUSE_S)
            continue
        if indexed > 1000:
            log.info("the disclosure index took in %d messages", indexed)
        indexed = 0
        await timer.sleep(IDLE_S)
