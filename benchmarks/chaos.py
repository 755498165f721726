"""Kill the daemon at random moments, under faults, and count: every burst answered once, nobody else answered.

    python benchmarks/chaos.py --kills 30

A loopback Telegram and its people live in this process; the daemon (real Telethon, real store, scripted answers that
name the message they answer) is a process that gets SIGKILL. Prints a table and leaves with 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from statistics import median

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from daemon_stage import DaemonStage, end_process, start_process
from telegram_stage import wait_until

from userbot.domain.messages import Origin
from userbot.loopback import LoopbackTelegram, User

WORDS = "tea rain umbrella train sister violin harbour lemon winter quiet orange bicycle".split()  # noqa: SIM905  # readable
FRIENDS = ("Anna", "Boris", "Clara", "Daniel")
ANSWER_TIMEOUT_S = 60.0


@dataclass
class Chaos:
    """One run: what was done, and what came of it."""

    stage: DaemonStage
    random: Random
    friends: list[User]
    expected: dict[int, list[str]] = field(default_factory=dict)
    faults: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    bursts: int = 0
    bubbles: int = 0
    noise: int = 0
    unanswered: int = 0
    restarts_s: list[float] = field(default_factory=list)
    catch_up_s: list[float] = field(default_factory=list)
    memory_mb: float = 0.0

    async def play(self, kills: int) -> None:
        """Kill as often as asked; after each kill, wait until everybody was answered."""
        while self.kills < kills:
            process = await self.start()
            self.break_something()
            # Half of the bursts come before the kill, the others while nobody is there.
            speakers = self.random.sample(self.friends, self.random.randint(1, len(self.friends)))
            before = speakers[: (len(speakers) + 1) // 2]
            for friend in before:
                await self.talk(friend)
                await asyncio.sleep(self.random.uniform(0, 0.2))
            await asyncio.sleep(self.random.uniform(0, 1.0))
            await end_process(process, signal.SIGKILL)
            self.kills += 1
            for friend in speakers[len(before) :]:
                await self.talk(friend)
            started = time.monotonic()
            process = await self.start()
            if self.random.random() < 0.5:
                self.break_something()
            await self.wait_answered()
            self.catch_up_s.append(time.monotonic() - started)
            await end_process(process, signal.SIGKILL)
            self.kills += 1
            print(f"\r{self.kills} kills, {self.bursts} bursts, {self.unanswered} unanswered", end="", flush=True)
        print()

    async def start(self) -> asyncio.subprocess.Process:
        """Start the daemon and note how long that takes."""
        started = time.monotonic()
        process = await start_process(self.stage.home, PACE="0.05")
        self.restarts_s.append(time.monotonic() - started)
        return process

    async def talk(self, friend: User) -> None:
        """Send a burst of one to three bubbles; the answers name its last one."""
        for _ in range(self.random.randint(1, 3)):
            text = f"{' '.join(self.random.sample(WORDS, 4))} {self.bubbles}"
            await self.stage.server.send(friend, self.stage.owner, text)
            self.bubbles += 1
        self.bursts += 1
        self.expected.setdefault(friend.user_id, []).extend(f"re: {text} [{part}]" for part in (1, 2))
        if self.random.random() < 0.3:
            await self.stage.server.send(self.stage.stranger, self.stage.owner, f"special offer {self.bubbles}")
            self.noise += 1

    def break_something(self) -> None:
        """Order one of the misfortunes that Telegram and networks have to offer."""
        faults, owner = self.stage.server.faults, self.stage.owner
        choices: dict[str, Callable[[], None]] = {
            "flood wait": lambda: faults.flood_wait("messages.sendMessage", 1, user=owner),
            "error 500": lambda: faults.server_error("messages.sendMessage", user=owner),
            "drop before send": lambda: faults.drop("messages.sendMessage", "before", user=owner),
            "drop after send": lambda: faults.drop("messages.sendMessage", "after", user=owner),
            "drop any call": lambda: faults.drop("*", "after", user=owner),
            "late answer": lambda: faults.delay("messages.sendMessage", 0.5, user=owner),
            "disconnect": lambda: faults.disconnect(owner),
            "missed updates": lambda: faults.miss_updates(owner, count=2),
            "difference too long": lambda: faults.difference_too_long(owner),
            "random id duplicate": lambda: faults.duplicate_random_id(),
        }
        name = self.random.choice(list(choices))
        choices[name]()
        self.faults[name] += 1

    async def wait_answered(self) -> None:
        """Wait until each friend has the answers to the last burst, or time is up."""
        try:
            await wait_until(self._is_answered, timeout_s=ANSWER_TIMEOUT_S)
        except TimeoutError:
            self.unanswered += 1

    def _is_answered(self) -> bool:
        return all(
            self.stage.replies(friend)[-1:] == self.expected[friend.user_id][-1:]
            for friend in self.friends
            if friend.user_id in self.expected
        )

    async def judge(self) -> list[tuple[str, object, object]]:
        """Start once more, let the reconciler look, stop, and compare with what should be."""
        process = await self.start()
        await asyncio.sleep(3)
        self.memory_mb = _read_peak_mb(process.pid)
        code = await end_process(process)
        got = {friend.user_id: self.stage.replies(friend) for friend in self.friends}
        wanted = {user_id: self.expected.get(user_id, []) for user_id in got}
        all_got = Counter(text for texts in got.values() for text in texts)
        all_wanted = [text for texts in wanted.values() for text in texts]
        reads = {call.request.contact.user_id for call in self.stage.server.calls_of("messages.readHistory")}
        with self.stage.open_store() as store:
            stored = {origin: store.messages.count(origin) for origin in Origin}
            pending = len(store.replies.pending())
        return [
            ("bubbles of answers expected", len(all_wanted), len(all_wanted)),
            ("delivered exactly once", sum(all_got[text] == 1 for text in all_wanted), len(all_wanted)),
            ("delivered more than once", sum(count > 1 for count in all_got.values()), 0),
            ("never delivered", sum(all_got[text] == 0 for text in all_wanted), 0),
            ("delivered and not expected", len(set(all_got) - set(all_wanted)), 0),
            ("chats out of order", sum(got[user_id] != wanted[user_id] for user_id in got), 0),
            ("answers to the stranger", len(self.stage.replies(self.stage.stranger)), 0),
            ("read acknowledgements to the stranger", int(self.stage.stranger.user_id in reads), 0),
            ("contact messages in the store", stored[Origin.CONTACT], self.bubbles),
            ("clone messages in the store", stored[Origin.CLONE], len(all_wanted)),
            ("messages taken for the owner's", stored[Origin.OWNER], 0),
            ("bubbles left in the outbox", pending, 0),
            ("exit code after SIGTERM", code, 0),
        ]


def _read_peak_mb(pid: int) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(("VmHWM", "VmRSS"))), 0.0)


async def run(kills: int, seed: int, home: Path) -> bool:
    """Play, print the figures, and tell whether all is as it should be."""
    random = Random(seed)  # noqa: S311  # chaos, no secret
    async with LoopbackTelegram() as server:
        stage = await DaemonStage.set_up(server, home)
        friends = [stage.vera, *(server.add_user(name) for name in FRIENDS)]
        for friend in friends:
            stage.allow(friend)
        chaos = Chaos(stage, random, friends)
        started = time.monotonic()
        await chaos.play(kills)
        rows = await chaos.judge()
        seconds = time.monotonic() - started
    print(f"\nSIGKILLs {chaos.kills}, bursts {chaos.bursts}, bubbles {chaos.bubbles}, strangers' {chaos.noise}")
    print(f"faults: {', '.join(f'{name} {count}' for name, count in sorted(chaos.faults.items()))}")
    print(f"start to ready: median {median(chaos.restarts_s):.2f} s; to all answered: {median(chaos.catch_up_s):.2f} s")
    print(f"peak memory of the daemon process {chaos.memory_mb:.0f} MB")
    for name, value, expected in rows:
        print(f"{'ok ' if value == expected else 'BAD'} {name}: {value} (expected {expected})")
    print(f"wall time {seconds:.0f} s")
    return all(value == expected for _, value, expected in rows)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        sys.exit(0 if asyncio.run(run(arguments.kills, arguments.seed, Path(folder) / "home")) else 1)


if __name__ == "__main__":
    main()
