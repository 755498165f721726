"""Pull the history of chosen chats into the store: newest first, resumable, with pauses."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from telethon.errors import RPCError, TakeoutInitDelayError

from userbot.domain.errors import OfflineError, SessionLostError, TelegramError
from userbot.domain.messages import Chat, Message
from userbot.store import Store
from userbot.store.facts import PullMark, pull_mark
from userbot.telegram.blocking import Run
from userbot.telegram.client import PatientClient
from userbot.telegram.convert import read_fetched
from userbot.telegram.errors import translated
from userbot.telegram.sender import Sender
from userbot.telegram.updates import UpdateReader

logger = logging.getLogger(__name__)

PAGE = 100
# The pause in seconds that Telethon itself makes between pages of long histories; an export session needs none.
PAUSE_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a pull got.

    Args:
        chat_id: Chat being fetched.
        title: Its name.
        chat_number: Its place in the list, from 1.
        chats: Length of the list.
        fetched: Number of messages read from this chat by this pull.
        total: Number of messages in the chat, as Telegram says.
        waiting_s: Seconds of a pause that Telegram has asked for, else 0.
    """

    chat_id: int
    title: str
    chat_number: int
    chats: int
    fetched: int
    total: int
    waiting_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PullReport:
    """What a pull did.

    Args:
        chats: Number of chats fetched to their beginning.
        messages: Number of messages that were new to the store.
        refused: Chats that Telegram refused, each with the reason.
        takeout: Whether Telegram granted an export session.
        takeout_from: When it would grant one, where it asks to wait; approving the request in Telegram's service chat
            brings it forward.
    """

    chats: int
    messages: int
    refused: tuple[str, ...] = ()
    takeout: bool = False
    takeout_from: datetime | None = None


class HistoryPull:
    """Fetch chats into the store.

    Args:
        client: Connected.
        reader: Recognises the clone's own messages.
        sender: Addresses chats.
        me_id: The owner's id.
        store: Takes the messages, and remembers how far each chat got.
        run: Runs a blocking call of the store in another thread.
        on_progress: Called after each page and before each wait.
    """

    def __init__(
        self,
        client: PatientClient,
        reader: UpdateReader,
        *,
        sender: Sender,
        me_id: int,
        store: Store,
        run: Run,
        on_progress: Callable[[Progress], None],
    ) -> None:
        self._client = client
        self._reader = reader
        self._sender = sender
        self._me_id = me_id
        self._store = store
        self._run = run
        self._on_progress = on_progress
        self._progress: Progress | None = None
        self._finished: set[int] = set()
        self._refused: dict[int, str] = {}
        self._added = 0

    async def pull(self, chats: Sequence[Chat], *, takeout: bool) -> PullReport:
        """Fetch chats one after another; a chat that Telegram refuses is noted, and the next one follows.

        Call it again after an OfflineError: it continues there, and the report covers all calls.

        Args:
            chats: Chats to fetch; they must be in the store.
            takeout: Ask Telegram for an export session.

        Raises:
            OfflineError: The connection broke; what was fetched is stored.
            SessionLostError: The session can't be used any more.
        """
        wants_takeout = takeout and bool(chats)
        self._client.on_wait = self._note_wait
        try:
            with translated("read the history"):
                async with _export_session(self._client, requested=wants_takeout) as (source, wait_s):
                    for number, chat in enumerate(chats, 1):
                        start = Progress(
                            chat_id=chat.id, title=chat.title, chat_number=number, chats=len(chats), fetched=0, total=0
                        )
                        if chat.id not in self._finished and chat.id not in self._refused:
                            await self._pull_or_refuse(source, chat, start)
        finally:
            self._client.on_wait = lambda _seconds: None
        return PullReport(
            chats=len(self._finished),
            messages=self._added,
            refused=tuple(self._refused.values()),
            takeout=source is not self._client,
            takeout_from=self._store.clock() + timedelta(seconds=wait_s) if wait_s else None,
        )

    async def _pull_or_refuse(self, source: Any, chat: Chat, start: Progress) -> None:
        self._progress = start
        try:
            await self._pull_chat(source, chat)
            self._finished.add(chat.id)
        except (OfflineError, SessionLostError):
            raise
        except TelegramError as exc:
            self._refused[chat.id] = f"{chat.title}: {exc}"

    async def _pull_chat(self, source: Any, chat: Chat) -> None:
        peer = await self._sender.address(chat)
        fact = pull_mark(chat.id)
        mark = await self._run(self._store.facts.get, fact) or PullMark()
        if mark.newest:
            # What came since the last pull. Until it is whole the mark stays, so a broken pull repeats this part.
            top = 0
            async for page in self._pages(source, chat, peer, below=0, down_to=mark.newest):
                top = top or page[0].id
            mark = replace(mark, newest=max(mark.newest, top))
            await self._run(self._store.facts.set, fact, mark)
        if not mark.done:
            async for page in self._pages(source, chat, peer, below=mark.oldest, down_to=0):
                mark = replace(mark, newest=mark.newest or page[0].id, oldest=page[-1].id)
                await self._run(self._store.facts.set, fact, mark)
            await self._run(self._store.facts.set, fact, replace(mark, done=True))

    async def _pages(self, source: Any, chat: Chat, peer: Any, *, below: int, down_to: int) -> AsyncIterator[list[Any]]:
        """Yield pages from `below` (0: the newest) down to `down_to`, each when it is stored."""
        offset_id = below
        while True:
            with translated(f"read the history of chat {chat.id}"):
                page = await source.get_messages(peer, limit=PAGE, offset_id=offset_id)
            fresh = [raw for raw in page if raw.id > down_to]
            if not fresh:
                return
            self._added += await self._run(self._store.messages.add, self._read(chat, fresh))
            self._note_page(len(fresh), page.total)
            yield fresh
            offset_id = fresh[-1].id
            if len(fresh) < len(page):
                return
            if source is self._client:
                await self._client.sleep(PAUSE_S)

    def _read(self, chat: Chat, raws: Sequence[Any]) -> list[Message]:
        messages = []
        for raw in raws:
            try:
                message = read_fetched(raw, self._me_id)
            except Exception:
                # One message that can't be read must not cost the page.
                logger.exception("Message %s of chat %s can't be read", raw.id, chat.id)
                continue
            if message is not None:
                messages.append(self._reader.recognise(message))
        return messages

    def _note_page(self, seen: int, total: int) -> None:
        if self._progress is not None:
            before = self._progress
            self._report(replace(before, fetched=before.fetched + seen, total=total))

    def _note_wait(self, seconds: float) -> None:
        if self._progress is not None:
            self._on_progress(replace(self._progress, waiting_s=seconds))

    def _report(self, progress: Progress) -> None:
        self._progress = progress
        self._on_progress(progress)


@asynccontextmanager
async def _export_session(client: PatientClient, *, requested: bool) -> AsyncIterator[tuple[Any, float]]:
    """Yield what to read through, and the seconds after which an export session would be granted.

    An export session is closed at the end; without one, the client itself is yielded.
    """
    if not requested:
        yield client, 0.0
        return
    if client.session.takeout_id is not None:
        # Left over from a pull that was killed; Telegram allows one session at a time.
        try:
            await client.end_takeout(success=False)
        except (RPCError, ValueError):
            client.session.takeout_id = None
    session = client.takeout(users=True, chats=True, megagroups=True)
    try:
        await session.__aenter__()
    except TakeoutInitDelayError as exc:
        yield client, float(exc.seconds)
        return
    except RPCError as exc:
        logger.info("Telegram grants no export session (%s); pulling without one", type(exc).__name__)
        yield client, 0.0
        return
    async with _closing(session):
        yield session, 0.0


@asynccontextmanager
async def _closing(session: Any) -> AsyncIterator[None]:
    try:
        yield
    except BaseException as exc:
        try:
            await session.__aexit__(type(exc), exc, exc.__traceback__)
        except (RPCError, OSError, ValueError):
            logger.info("The export session could not be closed; the next pull closes it")
        raise
    await session.__aexit__(None, None, None)
