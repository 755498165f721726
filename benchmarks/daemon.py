"""Throughput and memory of the daemon without the cost of generation.

    python benchmarks/daemon.py --chats 200 --messages 1000000

Fills a store, then gives the reply path (store, policy, context, guard, pacing, outbox; no Telegram, an instant
generator and messenger, no waits) first a steady stream and then all it can take. Latency is from the arrival of a
bubble to its answer being committed to the outbox. Memory is the process's peak, which has no torch in it.
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from statistics import quantiles

from userbot.config.settings import Settings
from userbot.daemon.wiring import make_reply_config
from userbot.domain.events import Arrived, Event
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin, Reply
from userbot.domain.metrics import Metrics
from userbot.domain.prompt_rules import DEFAULT_RULES
from userbot.generator import Prompt
from userbot.reply.answering import Answering
from userbot.reply.outbox import Outbox
from userbot.reply.responder import Responder
from userbot.reply.timer import WallTimer
from userbot.store import Store
from userbot.store.thread import StoreThread

RANDOM = Random(1)  # noqa: S311  # texts of a benchmark
WORDS = "tea rain umbrella train sister violin harbour lemon winter quiet orange".split()  # noqa: SIM905  # readable


class InstantGenerator:
    """Answers at once, each time something else."""

    adapter_id = "instant"
    rules = DEFAULT_RULES

    async def generate(self, prompt: Prompt) -> Reply:
        """Answer."""
        return Reply(bubbles=(_make_text(), _make_text()), adapter_id=self.adapter_id)

    async def activate(self, adapter_id: str | None) -> None:
        """Do nothing."""

    async def close(self) -> None:
        """Do nothing."""


class InstantMessenger:
    """Delivers at once and counts."""

    def __init__(self) -> None:
        self.sent = 0

    async def send(self, chat: Chat, text: str, *, random_id: int, reply_to_id: int | None = None) -> Message:
        """Deliver."""
        self.sent += 1
        now = datetime.now(UTC)
        return Message(chat_id=chat.id, id=10**9 + self.sent, origin=Origin.CLONE, sent_at=now, text=text)

    async def show_typing(self, chat: Chat) -> None:
        """Do nothing."""

    async def mark_read(self, chat: Chat, *, up_to_id: int) -> None:
        """Do nothing."""

    async def save_draft(self, chat: Chat, text: str) -> bool:
        """Do nothing."""
        return True

    async def delete(self, chat: Chat, message_ids: object) -> None:
        """Do nothing."""

    async def notify_owner(self, text: str) -> None:
        """Do nothing."""

    async def send_picture_to_owner(self, picture: Path, caption: str) -> None:
        """Do nothing."""


class Clocked(Outbox):
    """Notes when an answer was committed, which is when the outbox is woken."""

    arrived: dict[int, float]
    latencies: list[float]

    def wake(self, chat_id: int) -> None:
        """Note the time."""
        started = self.arrived.pop(chat_id, None)
        if started is not None:
            self.latencies.append(time.perf_counter() - started)
        super().wake(chat_id)


def _make_text() -> str:
    return " ".join(RANDOM.choices(WORDS, k=RANDOM.randint(2, 9)))


def _fill(store: Store, chats: list[Chat], messages: int) -> None:
    store.chats.save(chats)
    start = datetime.now(UTC) - timedelta(days=700)

    def make() -> Iterator[Message]:
        for number in range(1, messages + 1):
            chat = chats[number % len(chats)]
            origin = Origin.OWNER if number // len(chats) % 2 else Origin.CONTACT
            sent_at = start + timedelta(seconds=number * 50)
            yield Message(chat_id=chat.id, id=number, origin=origin, sent_at=sent_at, text=_make_text())

    store.messages.add(make())
    for chat in chats:
        store.chats.set_mode(chat.id, Mode.AUTO)


async def _feed(
    outbox: Clocked, events: asyncio.Queue[Event], chats: list[Chat], *, count: int, per_s: float | None, first_id: int
) -> float:
    """Send bubbles round the chats, waiting for each chat's answer; return seconds until all are answered."""
    outbox.latencies = []
    started = time.perf_counter()
    for number in range(count):
        if per_s is not None:
            await asyncio.sleep(max(started + number / per_s - time.perf_counter(), 0))
        chat = chats[number % len(chats)]
        await _wait(lambda chat=chat: chat.id not in outbox.arrived)  # type: ignore[misc]  # bound early
        outbox.arrived[chat.id] = time.perf_counter()
        message = Message(
            chat_id=chat.id, id=first_id + number, origin=Origin.CONTACT, sent_at=datetime.now(UTC), text=_make_text()
        )
        events.put_nowait(Arrived(chat=chat, message=message))
    await _wait(lambda: not outbox.arrived)
    return time.perf_counter() - started


async def _wait(condition: Callable[[], bool], *, every_s: float = 0.001) -> None:
    while not condition():  # noqa: ASYNC110  # a state that no event announces
        await asyncio.sleep(every_s)


async def measure(store: Store, chats: list[Chat], arguments: argparse.Namespace) -> None:
    """Run both loads and print the figures."""
    unlimited = {"per_chat_per_hour": 10**6, "per_day": 10**6, "max_without_owner": 10**6}
    settings = Settings.model_validate({"reply": {**unlimited, "quiet_s": 0, "burst_max_s": 0, "pace": 0}})
    config = make_reply_config(settings)
    thread, timer, metrics, messenger = StoreThread(), WallTimer(), Metrics(), InstantMessenger()
    outbox = Clocked(
        store=store, thread=thread, messenger=messenger, timer=timer, stale_s=config.rules.stale_s, metrics=metrics
    )
    outbox.arrived, outbox.latencies = {}, []
    answering = Answering(
        store=store,
        thread=thread,
        messenger=messenger,
        generator=InstantGenerator(),
        outbox=outbox,
        config=config,
        timer=timer,
        random=RANDOM,
        metrics=metrics,
    )
    responder = Responder(
        store=store,
        thread=thread,
        answering=answering,
        outbox=outbox,
        config=config,
        timer=timer,
        metrics=metrics,
    )
    events: asyncio.Queue[Event] = asyncio.Queue()
    async with asyncio.TaskGroup() as group:
        await outbox.start(group)
        loop = group.create_task(responder.run(events, group))
        first_id = 10**7
        for title, count, per_s in (
            ("warm-up, each chat once", len(chats), 20.0),
            (f"steady, {arguments.rate:g} a second", arguments.count, arguments.rate),
            ("as fast as it goes", arguments.count, None),
        ):
            seconds = await _feed(outbox, events, chats, count=count, per_s=per_s, first_id=first_id)
            first_id += count
            _show(title, outbox.latencies, count / seconds)
            await _wait(lambda: not store.replies.pending(), every_s=0.1)
        responder.stop()
        loop.cancel()
    thread.close()
    print(f"{messenger.sent} bubbles delivered")


def _show(title: str, latencies: list[float], per_s: float) -> None:
    cuts = quantiles(latencies, n=100)
    print(
        f"{title}: {len(latencies)} answers, {per_s:.0f} messages a second, update to outbox "
        f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, max {max(latencies) * 1000:.1f} ms"
    )


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, default=200)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--count", type=int, default=2000, help="bubbles of each load")
    parser.add_argument("--rate", type=float, default=20.0, help="bubbles a second of the steady load")
    parser.add_argument("--store", type=Path, help="a database to use again; made where it is missing")
    arguments = parser.parse_args()
    chats = [Chat(id=n, kind=ChatKind.PRIVATE, title=f"Chat {n}", access_hash=n) for n in range(1, arguments.chats + 1)]
    with tempfile.TemporaryDirectory() as folder:
        path = arguments.store or Path(folder) / "clone.db"
        with Store.open(path) as store:
            if not store.messages.count():
                started = time.perf_counter()
                _fill(store, chats, arguments.messages)
                print(f"{store.messages.count()} messages stored in {time.perf_counter() - started:.0f} s")
            filled_mb = _read_peak_mb()
            asyncio.run(measure(store, chats, arguments))
    print(f"peak memory {_read_peak_mb():.0f} MB ({filled_mb:.0f} MB before the first answer)")
    print(f"torch imported: {'torch' in sys.modules}")


def _read_peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
