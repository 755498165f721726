"""The connection and its supervision: connect with growing pauses, notice silence, tell a lost session from an outage.

Telethon's own reconnection is off. It repeats requests, but it does not catch up: what happened in between would show
only when the next update reveals the gap. A new connection catches up each time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Any

from telethon.errors import FloodWaitError
from telethon.tl import functions, types

from userbot.domain.errors import FloodError, LoginError, OfflineError, SessionLostError, TelegramError
from userbot.store.connection import DRIVER_ERRORS
from userbot.telegram.client import PatientClient
from userbot.telegram.errors import translate, translated

logger = logging.getLogger(__name__)

BACKOFF_MAX_S = 60.0
CATCH_UP_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 20.0
WATCH_S = 60.0
RESTORE_S = 1.0
# Successive checks that find the client behind, after which the connection is replaced.
_BEHIND_MAX = 2


class ConnectionState(StrEnum):
    """What the connection does now."""

    CONNECTING = "connecting"
    CATCHING_UP = "catching up"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"
    NEEDS_LOGIN = "needs login"
    LOST = "session lost"


class Connection:
    """Keep a client connected.

    Args:
        client: Made by `make_client`, not connected yet.
        on_state: Called with each new state.
        sleep: Waits for a number of seconds.
        watch_s: Seconds between two checks that the connection still delivers updates.
    """

    def __init__(
        self,
        client: PatientClient,
        *,
        on_state: Callable[[ConnectionState], None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        watch_s: float = WATCH_S,
    ) -> None:
        self._client = client
        self._on_state = on_state
        self._sleep = sleep
        self._watch_s = watch_s
        self.state = ConnectionState.DISCONNECTED
        self._held = False

    async def connect(self, *, attempts: int | None = None) -> Any:
        """Connect and return the TL user who is logged in.

        Args:
            attempts: Tries before giving up; None tries forever.

        Raises:
            LoginError: Nobody ever logged in on this session.
            SessionLostError: Somebody did, and Telegram no longer accepts the session.
            OfflineError: All attempts failed.
        """
        tried = 0
        while True:
            tried += 1
            self._enter(ConnectionState.CONNECTING)
            try:
                return await self._connect_once()
            except (OfflineError, FloodError) as exc:
                await self.close()
                if attempts is not None and tried >= attempts:
                    raise
                pause_s = min(BACKOFF_MAX_S, 2.0 ** (tried - 1))
                pause_s = max(pause_s, exc.wait_s if isinstance(exc, FloodError) else 0.0)
                logger.warning("Connecting failed: %s Next try in %.0f s", exc, pause_s)
                await self._sleep(pause_s)
            except SessionLostError as exc:
                raise await self._give_up(exc) from exc
            except BaseException:
                await self.close()
                raise

    async def hold(self) -> None:
        """Stay connected: reconnect whenever the connection breaks. Never returns.

        Raises:
            SessionLostError: Telegram no longer accepts the session.
        """
        self._held = True
        try:
            while True:
                await self._hold_once()
        finally:
            self._held = False

    async def restore(self, *, attempts: int) -> None:
        """Return when there is a connection again: made by `hold` where that runs, else made here.

        Args:
            attempts: Tries before giving up, where the connection is made here.

        Raises:
            OfflineError: All attempts failed.
            SessionLostError: Telegram no longer accepts the session.
        """
        await self._sleep(RESTORE_S)
        while self._held and not self._client.is_connected():
            await self._sleep(RESTORE_S)
        if not self._client.is_connected():
            await self.close()
            await self.connect(attempts=attempts)

    async def _hold_once(self) -> None:
        try:
            with translated("stay connected"):
                await self._wait_broken()
            logger.warning("The connection to Telegram closed; reconnecting")
        except (OfflineError, FloodError) as exc:
            logger.warning("The connection to Telegram broke: %s", exc)
        except SessionLostError as exc:
            raise await self._give_up(exc) from exc
        await self.close()
        await self.connect()

    async def close(self) -> None:
        """Disconnect and save the state of the session."""
        try:
            await self._client.disconnect()
        except OSError as exc:
            logger.info("The connection did not close cleanly: %s", type(exc).__name__)
        except DRIVER_ERRORS as exc:
            # What happened since the last save will be read again.
            logger.warning("The session could not be saved: %s", exc)
        if self.state not in (ConnectionState.LOST, ConnectionState.NEEDS_LOGIN):
            self._enter(ConnectionState.DISCONNECTED)

    async def _connect_once(self) -> Any:
        with translated("connect"):
            await self._client.connect()
            # Unlike get_me, this says why a session is refused.
            async with asyncio.timeout(ANSWER_TIMEOUT_S):
                users = await self._client(functions.users.GetUsersRequest([types.InputUserSelf()]))
        self._enter(ConnectionState.CATCHING_UP)
        return users[0]

    async def _wait_broken(self) -> None:
        """Return, or raise the reason, when the connection can't be used any more."""
        catcher = asyncio.create_task(self._note_caught_up())
        breakers = [
            asyncio.create_task(step) for step in (self._wait_refused(), self._client.wait_closed(), self._wait_deaf())
        ]
        try:
            done, _ = await asyncio.wait(breakers, return_when=asyncio.FIRST_COMPLETED)
            for task in breakers:
                if task in done:
                    task.result()
        finally:
            for task in (catcher, *breakers):
                task.cancel()
            await asyncio.gather(catcher, *breakers, return_exceptions=True)

    async def _wait_refused(self) -> None:
        await self._client.refused.wait()
        if self._client.refusal is not None:
            raise translate(self._client.refusal, "continue")

    async def _note_caught_up(self) -> None:
        try:
            async with asyncio.timeout(CATCH_UP_TIMEOUT_S):
                await self._client.caught_up.wait()
        except TimeoutError:
            logger.warning("Catching up with Telegram takes longer than %.0f s", CATCH_UP_TIMEOUT_S)
            await self._client.caught_up.wait()
        self._enter(ConnectionState.CONNECTED)

    async def _wait_deaf(self) -> None:
        """Return when Telegram counts events that never arrive; raise TimeoutError when it no longer answers."""
        behind = 0
        while True:
            await self._sleep(self._watch_s)
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT_S):
                    state = await self._client(functions.updates.GetStateRequest())
            except FloodWaitError:
                continue
            behind = behind + 1 if state.pts > self._client.pts else 0
            if behind >= _BEHIND_MAX:
                logger.warning("Telegram counts events that never arrive; reconnecting")
                return
            if behind:
                # An update may just be on its way, so the first time only the difference is requested.
                await self._client.catch_up()

    async def _give_up(self, exc: SessionLostError) -> TelegramError:
        known = await self._was_logged_in()
        self._enter(ConnectionState.LOST if known else ConnectionState.NEEDS_LOGIN)
        await self.close()
        return exc if known else LoginError("Nobody is logged in to Telegram yet. Log in: clone login")

    async def _was_logged_in(self) -> bool:
        return any(number == 0 and state.pts > 0 for number, state in self._client.session.get_update_states())

    def _enter(self, state: ConnectionState) -> None:
        if state is not self.state:
            self.state = state
            self._on_state(state)
