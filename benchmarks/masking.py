"""Measure the detectors of private values on lines whose author had not seen their patterns.

`benchmarks/masking/private_lines.jsonl` was written by somebody who knew the 17 kinds and nothing else: no pattern, no
detector, no result. Nobody who works on the detectors reads it; this script prints numbers, never a line. The other
file, `own.txt`, was written together with the detectors, and says how well they fit what their authors thought of.

    python benchmarks/masking.py                 # the blind lines
    python benchmarks/masking.py --own           # the authors' own
    python benchmarks/masking.py --names         # natasha beside it, with the extra `names`
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from userbot.trust.detectors import detect

FOLDER = Path(__file__).parent / "masking"
Span = tuple[int, int, str]
Line = tuple[str, Sequence[Span]]
Find = Callable[[str], Sequence[Span]]


def read_blind(path: Path) -> list[Line]:
    """Read lines with the spans that their author marked."""
    rows = (json.loads(row) for row in path.read_text("utf-8").splitlines() if row.strip())
    return [(row["text"], [(start, end, kind) for start, end, kind in row["spans"]]) for row in rows]


def read_own(path: Path) -> list[Line]:
    """Read the authors' lines: `kind|text`, the value between ⟦ and ⟧."""
    lines: list[Line] = []
    for row in path.read_text("utf-8").splitlines():
        if not row or row.startswith("#"):
            continue
        kind, _, text = row.replace("\\n", "\n").partition("|")
        start, end = text.find("⟦"), text.find("⟧") - 1
        plain = text.replace("⟦", "").replace("⟧", "")
        lines.append((plain, [] if kind == "-" else [(start, end, kind)]))
    return lines


def overlaps(one: Span, other: Span) -> bool:
    """Return whether two spans share a character."""
    return one[0] < other[1] and other[0] < one[1]


def measure(lines: Iterable[Line], find: Find) -> dict[str, Counter[str]]:
    """Count by kind: marked, found with the right kind, found with any, reported, and reported wrongly."""
    counts: dict[str, Counter[str]] = {
        name: Counter() for name in ("marked", "right", "any", "covered", "reported", "true", "touching")
    }
    for text, marked in lines:
        found = find(text)
        for span in marked:
            hits = [one for one in found if overlaps(one, span)]
            counts["marked"][span[2]] += 1
            counts["right"][span[2]] += any(one[2] == span[2] for one in hits)
            counts["any"][span[2]] += bool(hits)
            covered = sum(max(0, min(one[1], span[1]) - max(one[0], span[0])) for one in hits)
            counts["covered"][span[2]] += covered >= 0.9 * (span[1] - span[0])
        for one in found:
            hits = [span for span in marked if overlaps(one, span)]
            counts["reported"][one[2]] += 1
            counts["true"][one[2]] += any(one[2] == span[2] for span in hits)
            counts["touching"][one[2]] += bool(hits)
    return counts


def print_table(counts: dict[str, Counter[str]]) -> None:
    """Print precision and recall by kind: with the right kind, and with any."""
    print(f"{'kind':12} {'marked':>6} {'recall':>7} {'any':>6} {'whole':>6} {'found':>6} {'precision':>9} {'any':>6}")
    for kind in [*sorted(counts["marked"] | counts["reported"]), None]:
        total = {name: (by_kind.total() if kind is None else by_kind[kind]) for name, by_kind in counts.items()}
        recalls = [_share(total[name], total["marked"]) for name in ("right", "any", "covered")]
        precisions = [_share(total[name], total["reported"]) for name in ("true", "touching")]
        print(
            f"{kind or 'ALL':12} {total['marked']:>6} {recalls[0]:>7} {recalls[1]:>6} {recalls[2]:>6} "
            f"{total['reported']:>6} {precisions[0]:>9} {precisions[1]:>6}"
        )


def time_detector(lines: Sequence[Line], find: Find) -> None:
    """Print the speed of a detector on the lines as they are, milliseconds and messages a second."""
    took = []
    for text, _ in lines:
        runs = []
        for _ in range(3):  # the quickest of three, as other work may share the machine
            start = time.perf_counter()
            find(text)
            runs.append(time.perf_counter() - start)
        took.append(min(runs))
    took.sort()
    median, p99 = (took[int(len(took) * share)] * 1e3 for share in (0.5, 0.99))
    print(f"{len(lines)} lines: median {median:.3f} ms, p99 {p99:.3f} ms, {len(lines) / sum(took):,.0f} lines/s")


def find_ours(text: str) -> list[Span]:
    """Find with the detectors."""
    return [(one.start, one.end, str(one.kind)) for one in detect(text)]


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--file", type=Path, default=FOLDER / "private_lines.jsonl", help="lines with marked spans")
    parser.add_argument("--own", action="store_true", help="the authors' own lines instead, which say less")
    parser.add_argument("--names", action="store_true", help="natasha on the same lines, with the extra `names`")
    given = parser.parse_args()
    lines = read_own(FOLDER / "own.txt") if given.own else read_blind(given.file)
    for text, _ in lines[:50]:
        detect(text)  # libraries are loaded at their first use
    print("the authors' own lines" if given.own else "lines whose author had not seen the patterns")
    negative = [line for line in lines if not line[1]]
    flagged = sum(bool(find_ours(text)) for text, _ in negative)
    print(f"{len(lines)} lines, {len(negative)} without a private value, of which {flagged} are reported")
    print_table(measure(lines, find_ours))
    time_detector(lines, find_ours)
    if given.names:
        _print_names(lines)


def _print_names(lines: Sequence[Line]) -> None:
    from userbot.trust.names import find_names

    def find(text: str) -> list[Span]:
        return [(one.start, one.end, str(one.kind)) for one in find_names(text)]

    found = sum(len(find(text)) for text, _ in lines)
    print(f"natasha: {found} names of people in {len(lines)} lines; the lines mark none, so there is no recall")
    time_detector(lines, find)


if __name__ == "__main__":
    main()
