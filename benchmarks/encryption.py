"""What encryption costs: importing, reading a window of a chat and opening the store, encrypted over plain.

    python benchmarks/encryption.py [--messages 100000] [--rounds 3]

Both homes are written and read in turns, so that a busy machine slows both. The derivation of the key is measured
apart: it is paid once by each command and once by the daemon.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from userbot.config.home import HomePaths
from userbot.config.passphrase import KEYS, derive_key
from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.store import Store
from userbot.store.connection import Marker

CHATS = 20
WINDOW = 60
READS = 2000
START = datetime(2024, 1, 1, tzinfo=UTC)


def make_messages(count: int) -> list[Message]:
    """Return made-up messages of 20 chats."""
    return [
        Message(
            chat_id=1 + number % CHATS,
            id=1 + number // CHATS,
            origin=Origin.OWNER if number % 3 else Origin.CONTACT,
            sent_at=START + timedelta(minutes=number),
            text=f"message {number} about umbrellas and the weather of day {number % 365}",
        )
        for number in range(count)
    ]


def run_home(home: Path, messages: list[Message]) -> tuple[float, float]:
    """Store all messages and read windows; return the seconds of both."""
    with Store.open(HomePaths(home).database) as store:
        store.chats.save(
            [Chat(id=1 + number, kind=ChatKind.PRIVATE, title=f"Chat {number}") for number in range(CHATS)]
        )
        began = time.perf_counter()
        for start in range(0, len(messages), 5000):
            store.messages.add(messages[start : start + 5000])
        wrote = time.perf_counter()
        for number in range(READS):
            assert len(store.messages.window(1 + number % CHATS, limit=WINDOW)) == WINDOW
        return wrote - began, time.perf_counter() - wrote


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description="What encryption costs.")
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    began = time.perf_counter()
    key = derive_key("a passphrase of the benchmark", os.urandom(16))
    print(f"deriving the key: {time.perf_counter() - began:.2f} s")
    KEYS.accept(key)
    messages = make_messages(given.messages)
    ratios: list[tuple[float, float]] = []
    for _round in range(given.rounds):
        with tempfile.TemporaryDirectory() as folder:
            plain, hidden = Path(folder, "plain"), Path(folder, "hidden")
            hidden.mkdir()
            marker = Marker(state="on", salt=key.salt.hex(), verifier=key.verifier)
            HomePaths(hidden).encryption.write_text(marker.to_json(), "utf-8")
            one, two = run_home(plain, messages), run_home(hidden, messages)
        ratios.append((two[0] / one[0], two[1] / one[1]))
        print(f"plain: write {one[0]:.2f} s, read {one[1]:.2f} s; encrypted: write {two[0]:.2f} s, read {two[1]:.2f} s")
    for name, values in zip(("writing", "reading windows"), zip(*ratios, strict=True), strict=True):
        print(f"{name}: {statistics.median(values):.2f} times as long (median of {given.rounds})")


if __name__ == "__main__":
    main()
