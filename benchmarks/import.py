"""Compare the import with the article's way of reading an export: pandas.read_json and a loop over its messages.

    python benchmarks/import.py --size-mb 200            # rows as today's Telegram Desktop writes them
    python benchmarks/import.py --size-mb 1000 --plain   # rows as before September 2022: about 4 million

Writes an invented export, then runs each way in its own process, in turns, and prints the best time, the peak memory of
the process, and the ratios. `parse` is the import without the database; `import` stores everything.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

OWNER_ID = 1000
WORDS = [
    "да",
    "нет",
    "ок",
    "привет",
    "завтра",
    "вечером",
    "чай",
    "код",
    "the",
    "and",
    "look",
    "fine",
    "later",
    "really",
    "😀",
]


def write_export(path: Path, size_bytes: int, *, entities: bool, seed: int = 7) -> int:
    """Write an invented full export in Telegram Desktop's layout; return its number of messages."""
    rng = random.Random(seed)  # noqa: S311 - invented text, not a secret
    rows = chat = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{\n "about": "Invented.",\n "personal_information": {\n  "user_id": 1000,\n')
        file.write('  "first_name": "Olga",\n  "last_name": "Test"\n },\n "chats": {\n  "list": [')
        while file.tell() < size_bytes:
            chat += 1
            file.write("," if chat > 1 else "")
            file.write(
                f'\n   {{\n    "name": "Contact {chat}",\n    "type": "personal_chat",\n    "id": {2000 + chat},\n'
            )
            file.write('    "messages": [')
            count = 20_000
            file.write(",".join(_rows(rng, chat, rows, count, entities=entities)))
            rows += count
            file.write("\n    ]\n   }")
        file.write("\n  ]\n }\n}")
    return rows


def _rows(rng: random.Random, chat: int, first: int, count: int, *, entities: bool) -> Iterator[str]:
    at = 1_500_000_000 + chat
    for number in range(first, first + count):
        at += rng.choice((5, 20, 60, 4000))
        mine = rng.random() < 0.5
        sender, name = (OWNER_ID, "Olga Test") if mine else (2000 + chat, f"Contact {chat} Surname")
        text = json.dumps(" ".join(rng.choices(WORDS, k=rng.randint(1, 8))), ensure_ascii=False)
        date = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        row = (
            f'\n     {{\n      "id": {number},\n      "type": "message",\n      "date": "{date}",\n'
            f'      "date_unixtime": "{at}",\n      "from": "{name}",\n      "from_id": "user{sender}",\n'
        )
        if rng.random() < 0.05:
            row += f'      "edited": "{date}",\n      "edited_unixtime": "{at + 9}",\n'
        if rng.random() < 0.05:
            row += (
                '      "file": "(File not included. Change data exporting settings to download.)",\n'
                '      "media_type": "voice_message",\n      "duration_seconds": 7,\n'
            )
        if rng.random() < 0.1:
            row += f'      "reply_to_message_id": {max(1, number - 3)},\n'
        row += f'      "text": {text}'
        if entities:
            row += (
                f',\n      "text_entities": [\n       {{\n        "type": "plain",\n        "text": {text}\n'
                f"       }}\n      ]"
            )
        yield row + "\n     }"


def run_pandas(path: Path) -> int:
    """Do what the article does: read everything, prefix each text with its side, merge, and group by five.

    Returns:
        Number of messages with text.
    """
    import pandas as pd

    frame = pd.read_json(path)
    count = 0
    groups: list[str] = []
    for chat in frame["chats"]["list"]:
        lines: list[str] = []
        last = ""
        for message in chat["messages"]:
            if not message["text"]:
                continue
            count += 1
            side = "Clone" if message["from"] == "Olga Test" else "User"
            if side == last:
                lines[-1] += f"\n{message['text']}"
            else:
                lines.append(f"{side}: {message['text']}")
            last = side
        groups += ["\n".join(lines[start : start + 5]) for start in range(0, len(lines), 5)]
    pd.DataFrame({"prompt": groups})
    return count


def run_parse(path: Path) -> int:
    """Read all messages and store none; return their number."""
    from userbot.importers import import_file

    return import_file(None, path, dry_run=True).messages


def run_import(path: Path) -> int:
    """Read and store all messages; return their number."""
    from userbot.importers import import_file
    from userbot.store import Store

    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "clone.db") as store:
        return import_file(store, path).added


WAYS: dict[str, Callable[[Path], int]] = {"pandas": run_pandas, "parse": run_parse, "import": run_import}


def measure(way: str, path: Path) -> tuple[float, float, float, int]:
    """Run one way in its own process; return seconds, CPU seconds, peak MB, and number of messages."""
    command = [sys.executable, __file__, "--way", way, "--file", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    seconds, cpu_s, peak_mb, count = done.stdout.split()
    return float(seconds), float(cpu_s), float(peak_mb), int(count)


def run_way(way: str, path: Path) -> None:
    """Run one way in this process and print its figures; importing the libraries is not part of the time."""
    if way == "pandas":
        import pandas as pd  # noqa: F401 - loaded before the clock starts
    else:
        import userbot.importers.ingestion  # noqa: F401 - the same
    start, cpu_start = time.perf_counter(), time.process_time()
    count = WAYS[way](path)
    seconds, cpu_s = time.perf_counter() - start, time.process_time() - cpu_start
    print(seconds, cpu_s, read_peak_mb(), count)


def read_peak_mb() -> float:
    """Return the peak memory of this process, MB.

    The kernel's `ru_maxrss` would count what the parent had when it forked: under pytest, torch.
    """
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    [line] = [line for line in status.read_text("ascii").splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def compare(path: Path, rounds: int, ways: list[str]) -> None:
    """Measure the ways in turns and print a table.

    Args:
        path: The export.
        rounds: How often each way runs; the best run counts.
        ways: Names from `WAYS`.
    """
    print(f"{path.stat().st_size / 1e6:.0f} MB, Python {platform.python_version()}, {platform.machine()}")
    best: dict[str, tuple[float, float, float, int]] = {}
    for _ in range(rounds):
        for way in ways:
            figures = measure(way, path)
            best[way] = min(best.get(way, figures), figures)
    for way, (seconds, cpu_s, peak_mb, count) in best.items():
        print(f"{way:7}{seconds:8.2f} s ({cpu_s:.2f} s CPU), {peak_mb:6.0f} MB peak", end=", ")
        print(f"{count} messages, {count / seconds:.0f} a second")
    if "pandas" in best and "parse" in best:
        wall, cpu, memory = (best["pandas"][index] / best["parse"][index] for index in range(3))
        print(f"parse against pandas: {wall:.1f} times as fast ({cpu:.1f} by CPU), {memory:.0f} times less memory")


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size-mb", type=float, default=100)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--plain", action="store_true", help="leave text_entities out")
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--file", type=Path, help="an export to read instead of an invented one")
    parser.add_argument("--way", choices=list(WAYS), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.way:
        run_way(arguments.way, arguments.file)
    elif arguments.file:
        compare(arguments.file, arguments.rounds, arguments.ways)
    else:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "result.json"
            write_export(path, int(arguments.size_mb * 1e6), entities=not arguments.plain)
            compare(path, arguments.rounds, arguments.ways)


if __name__ == "__main__":
    main()
