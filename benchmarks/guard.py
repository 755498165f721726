"""Measure the disclosure guard on an invented store: latency, rate of indexing, size, and what it costs the import.

    python benchmarks/guard.py --messages 1000000 --chats 300

Words follow Zipf's law, so that a chat has its own vocabulary as real ones do; numbers, names and dates are mixed in.
Prints one JSON object: times in milliseconds, rates in messages a second, sizes in MiB.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.store import Store
from userbot.trust.disclosure import DisclosureIndex

BATCH = 5000
AT = datetime(2024, 1, 1, tzinfo=UTC)
EVERYDAY_TALK = (
    "привет как дела я ты он она не да что это на в и с у меня тебя завтра сегодня норм давай буду дома потом"
)
EVERYDAY = EVERYDAY_TALK.split()
SYLLABLES = "ба ве гу до же зи ка ле мо ну пе ри са ту фе хо ци ча шу ла ко та ми на ро".split()  # noqa: SIM905


class Author:
    """Writes invented messages.

    Args:
        rng: Source of chance.
    """

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._words = ["".join(rng.choices(SYLLABLES, k=rng.randint(1, 5))) for _ in range(60_000)]
        self._weights = [1 / (n + 5) for n in range(len(self._words))]
        self._pool: list[str] = []

    def word(self) -> str:
        """Return a word, common ones more often; two of three are of everyday talk, as in the demo's chats."""
        if self._rng.random() < 0.67:
            return self._rng.choice(EVERYDAY)
        if not self._pool:
            self._pool = self._rng.choices(self._words, self._weights, k=100_000)
        return self._pool.pop()

    def text(self) -> str:
        """Return a message of 1 to 12 words."""
        words = [self.word() for _ in range(min(12, 1 + int(self._rng.expovariate(0.2))))]
        chance = self._rng.random()
        if chance < 0.05:
            words.append(str(self._rng.randrange(100, 10**6)))
        elif chance < 0.12:
            words.insert(self._rng.randrange(len(words)) + 1, self.word().capitalize())
        elif chance < 0.13:
            words += [str(self._rng.randint(1, 28)), "марта"]
        return " ".join(words)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--chats", type=int, default=300)
    parser.add_argument("--answers", type=int, default=1000)
    options = parser.parse_args()
    author = Author(random.Random(7))  # noqa: S311 - invented text, not a secret
    texts = [author.text() for _ in range(options.messages)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clone.db"
        # Once to warm up, then in turns; the time is the processor's, as other programs may run beside this one.
        _store(Path(folder) / "warm.db", texts[: len(texts) // 10], options.chats, queued=True)
        plain_s = _store(Path(folder) / "plain.db", texts, options.chats, queued=False)
        queued_s = _store(path, texts, options.chats, queued=True)
        with Store.open(Path(folder) / "plain.db") as store:
            size_before = _measure(store)
        with Store.open(path) as store:
            index = DisclosureIndex(store.disclosure)
            began = time.perf_counter()
            while index.update():
                pass
            indexed_s = time.perf_counter() - began
            size_after = _measure(store)
            times = list(_judge(index, author, options.answers, options.chats))
    times.sort()
    print(
        json.dumps(
            {
                "messages": options.messages,
                "import_rate": round(options.messages / queued_s),
                "import_slower": round(queued_s / plain_s, 3),
                "index_rate": round(options.messages / indexed_s),
                "size_mib": round(size_before / 2**20),
                "index_mib": round((size_after - size_before) / 2**20),
                "judge_ms_p50": round(1000 * statistics.median(times), 2),
                "judge_ms_p99": round(1000 * times[int(len(times) * 0.99)], 2),
                "judge_ms_max": round(1000 * times[-1], 2),
            }
        )
    )


def _store(path: Path, texts: list[str], chats: int, *, queued: bool) -> float:
    with Store.open(path) as store:
        store.chats.save([Chat(id=n + 1, kind=ChatKind.PRIVATE, title=f"Contact {n}") for n in range(chats)])
        if not queued:
            with store.engine.begin() as connection:
                for name in ("added", "changed", "removed"):
                    connection.exec_driver_sql(f"DROP TRIGGER disclosure_{name}")
        began = time.process_time()
        per_chat = len(texts) // chats + 1
        for start in range(0, len(texts), BATCH):
            store.messages.add(
                Message(
                    chat_id=n // per_chat + 1,
                    id=n + 1,
                    origin=Origin.OWNER if n % 2 else Origin.CONTACT,
                    sent_at=AT + timedelta(minutes=n),
                    text=texts[n],
                )
                for n in range(start, min(start + BATCH, len(texts)))
            )
        return time.process_time() - began


def _judge(index: DisclosureIndex, author: Author, answers: int, chats: int) -> Iterator[float]:
    for n in range(answers):
        answer, asked = author.text(), [author.text()]
        before = [author.text() for _ in range(7)]
        began = time.perf_counter()
        index.judge(n % chats + 1, answer, before=before, asked=asked)
        yield time.perf_counter() - began


def _measure(store: Store) -> int:
    with store.engine.connect() as connection:
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


if __name__ == "__main__":
    main()
