"""The daemon and its chats at one moment, as `clone status` and `/clone status` show them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from userbot.daemon.heartbeat import NOT_RUNNING, read_state
from userbot.daemon.pauses import format_pause, format_time
from userbot.domain.errors import AdapterError
from userbot.domain.messages import Chat
from userbot.reply.situation import read_pause
from userbot.retraining.state import describe_training
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.replies import Decision
from userbot.trust.stale_adapters import StaleAdapter, describe_stop, find_stale_adapters


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The daemon and its chats at one moment.

    Args:
        state: What the daemon does; `not running` where its process is gone.
        since: When that began; None where it never ran.
        pid: Its process.
        adapter_id: The active adapter.
        stopped_id: The adapter that a withdrawal stopped, in whose place none is active.
        stale: Adapters that learned from a chat without a consent that stands.
        allowed: Chats that are answered or get drafts.
        paused_until: End of a pause of all chats.
        pending: Bubbles waiting to be sent.
        replies_in_day: Replies in the last 24 hours.
        training: A line on the training that runs, waits, or was the last; None where there was none.
        newest: The newest decisions, newest first.
        now: When this was read.
    """

    state: str
    since: datetime | None
    pid: int | None
    adapter_id: str | None
    allowed: tuple[Chat, ...]
    paused_until: datetime | None
    pending: int
    replies_in_day: int
    training: str | None
    newest: tuple[Decision, ...]
    now: datetime
    stopped_id: str | None = None
    stale: tuple[StaleAdapter, ...] = ()

    def to_text(self) -> str:
        """Return a few lines for the owner."""
        lines = [f"Daemon: {self.state}" + (f" since {format_time(self.since)}" if self.since else "")]
        lines.append(f"Adapter: {self.adapter_id or 'none'}")
        if self.stopped_id:
            lines.append(f"All answers are held: {describe_stop(self.stopped_id)}")
        for one in self.stale:
            until = ", and writes until a clean one is trained" if one.active else ""
            chats = ", ".join(map(str, one.chat_ids))
            lines.append(f"Stale: adapter {one.id} learned from {chats}, whose consent does not stand{until}")
        if self.paused_until and self.paused_until > self.now:
            lines.append(f"Everything is paused {format_pause(self.paused_until, self.now)}")
        lines.append(f"Replies in 24 h: {self.replies_in_day}, bubbles waiting: {self.pending}")
        if self.training:
            lines.append(self.training)
        if not self.allowed:
            lines.append("No chat is allowed, so nobody is answered")
        for chat in self.allowed:
            paused = chat.paused_until is not None and chat.paused_until > self.now
            pause = f", paused {format_pause(chat.paused_until, self.now)}" if paused and chat.paused_until else ""
            lines.append(f"· {chat.title}: {chat.mode}{pause}")
        lines += [f"Last in chat {d.chat_id}: {d.state}, {d.reason}" for d in self.newest if d.reason]
        return "\n".join(lines)


def read_status(store: Store, shelf: AdapterShelf) -> Status:
    """Read the present status; an adapter that can't be read counts as none."""
    daemon, now = read_state(store), store.clock()
    try:
        manifest, stopped, stale = shelf.active(), shelf.stopped(), tuple(find_stale_adapters(store, shelf))
    except AdapterError:
        manifest, stopped, stale = None, None, ()
    return Status(
        state=daemon.state if daemon else NOT_RUNNING,
        since=daemon.since if daemon else None,
        pid=daemon.pid if daemon else None,
        adapter_id=manifest.id if manifest else None,
        allowed=tuple(store.chats.allowed()),
        paused_until=read_pause(store),
        pending=len(store.replies.pending()),
        replies_in_day=store.replies.sent_since(now - timedelta(days=1)),
        training=describe_training(store),
        newest=tuple(store.replies.newest(limit=3)),
        now=now,
        stopped_id=stopped,
        stale=stale,
    )
