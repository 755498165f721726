"""Telethon's client, which also sleeps through flood waits when it reads, and reports gaps in the updates."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from telethon import TelegramClient
from telethon.errors import FloodPremiumWaitError, FloodWaitError, RPCError, TypeNotFoundError
from telethon.tl import functions, types

from userbot.telegram.errors import is_loss

logger = logging.getLogger(__name__)

updates, messages = functions.updates, functions.messages

CONNECT_TIMEOUT_S = 60.0

_DIFFERENCES = (updates.GetDifferenceRequest, updates.GetChannelDifferenceRequest)
_PATIENT = (
    *_DIFFERENCES,
    messages.GetHistoryRequest,
    messages.GetMessagesRequest,
    functions.channels.GetMessagesRequest,
    messages.GetDialogsRequest,
    messages.SearchRequest,
    functions.users.GetUsersRequest,
)
_TOO_LONG = (types.updates.DifferenceTooLong, types.updates.ChannelDifferenceTooLong)
_FINAL = (types.updates.Difference, types.updates.DifferenceEmpty, types.updates.DifferenceTooLong)


class PatientClient(TelegramClient):  # type: ignore[misc]  # Telethon has no annotations
    """A `TelegramClient` that sleeps through flood waits when it reads, and reports where updates were lost.

    Requests that write raise at once, so that the outbox decides. With a flood threshold of zero, Telethon itself would
    drop a difference that has to wait, and the messages in it.

    Args:
        args: For `TelegramClient`.
        options: For `TelegramClient`.

    Attributes:
        sleep: Waits for a number of seconds.
        on_wait: Called with the seconds of each flood wait that is slept through.
        on_gap: Called when messages may have been missed: Telegram's difference was too long, or could not be had.
        caught_up: Set once the account's difference after a connection has been read.
        refused: Set when Telegram says that the session can't be used any more.
        refusal: The error that said so.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.on_wait: Callable[[float], None] = _ignore
        self.on_gap: Callable[[], None] = _ignore
        self.caught_up = asyncio.Event()
        self.refused = asyncio.Event()
        self.refusal: BaseException | None = None
        self._started = False
        self._settled = False

    async def connect(self) -> None:
        """Connect; `caught_up` is set later, when what was missed has been read.

        Raises:
            TimeoutError: Telegram did not answer within a minute.
        """
        self.refused.clear()
        self.refusal = None
        # Telethon limits the time of the TCP connection only, and would wait forever for the first answer.
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            await super().connect()
        # The update loop starts at the next turn of the event loop; a difference before that was part of a login.
        self._started = True
        self.caught_up.clear()

    @property
    def pts(self) -> int:
        """Number of the account's last event that this client has processed, in Telegram's own count."""
        state, _ = self._message_box.session_state()
        return int(state["pts"])

    async def wait_closed(self) -> None:
        """Wait until the connection ends; raise Telethon's error that ended it, if there is one."""
        await self.disconnected
        if self._updates_error is not None:
            raise self._updates_error

    async def __call__(self, request: Any, ordered: bool = False, flood_sleep_threshold: int | None = None) -> Any:
        """Send a request and return its result; sleep through flood waits of requests that read.

        Args:
            request: A TL request.
            ordered: Whether requests are sent in order; see Telethon.
            flood_sleep_threshold: Seconds up to which Telethon itself sleeps; see there.

        Raises:
            RPCError: Telegram refused it.
            ConnectionResetError: Telegram closed the connection.
            TypeNotFoundError: The answer holds something that this version of Telethon does not know.
        """
        inner = getattr(request, "query", request)
        while True:
            try:
                result = await super().__call__(request, ordered, flood_sleep_threshold)
            except (FloodWaitError, FloodPremiumWaitError) as exc:
                if not isinstance(inner, _PATIENT):
                    raise
                logger.info("Telegram asks to wait %s s (%s)", exc.seconds, type(inner).__name__)
                self.on_wait(float(exc.seconds))
                await self.sleep(float(exc.seconds))
            except RPCError as exc:
                self._note_refusal(inner, exc)
                raise
            except TypeNotFoundError as exc:
                # Its text quotes what could not be read, which may be messages.
                unknown = TypeNotFoundError(exc.invalid_constructor_id, b"")
                if not isinstance(inner, _DIFFERENCES):
                    raise unknown from None
                self._note_unreadable(unknown)
                # Of all errors this one lets Telethon's update loop continue, as after a failure of Telegram's.
                raise ValueError("Telegram's difference can't be read") from None
            except EOFError as exc:
                # Telethon's update loop expects an OSError for a lost connection, and treats this one as a bug.
                raise ConnectionResetError("Telegram closed the connection") from exc
            else:
                break
        if isinstance(inner, _DIFFERENCES):
            self._note_difference(result)
        return result

    def _note_unreadable(self, exc: TypeNotFoundError) -> None:
        logger.warning(
            "The difference holds something that this version of Telethon does not know (%08x); the reconciler will "
            "fetch what is missing",
            exc.invalid_constructor_id,
        )
        self.caught_up.set()
        self.on_gap()

    def _note_refusal(self, request: Any, exc: RPCError) -> None:
        if is_loss(exc):
            self.refusal = exc
            self.refused.set()
        elif isinstance(request, _DIFFERENCES):
            logger.warning("The difference can't be read (%s); the reconciler will fetch what is missing", exc.code)
            self.caught_up.set()
            self.on_gap()

    def _note_difference(self, difference: Any) -> None:
        if isinstance(difference, _TOO_LONG):
            logger.info("The difference is too long; the reconciler will fetch what is missing")
            self.on_gap()
        if not self._settled:
            for update in getattr(difference, "other_updates", ()):
                update.is_replay = True
        if isinstance(difference, _FINAL):
            # Only what a process receives at its start can be an echo of what the process before it did.
            self._settled = self._started
            self.caught_up.set()


def _ignore(*_: object) -> None:
    pass
