"""Import thousands of broken exports of every format, and count how each ends.

    python benchmarks/fuzz_import.py --cases 2000

Uses the mutations of the test suite, which runs about a hundred of them per format. A case that ends in anything but an
import or an `ExportError` stops the run, and hypothesis prints the smallest such file.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from hypothesis import HealthCheck, given, seed, settings

from userbot.domain.errors import ExportError
from userbot.importers import import_file
from userbot.store import Store

sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "support"))

from fixtures.exports.mutations import FORMATS, OWNERS, broken_exports


def fuzz(store: Store, path: Path, name: str, *, cases: int, start: int) -> Counter[str]:
    """Run the cases of one format.

    Args:
        store: Where the exports are imported.
        path: Where each case is written.
        name: The format.
        cases: Number of cases.
        start: Seed of the first case.

    Returns:
        Number of cases by outcome.
    """
    outcomes: Counter[str] = Counter()
    checks = list(HealthCheck)

    @seed(start)
    @settings(max_examples=cases, database=None, deadline=None, suppress_health_check=checks)
    @given(raw=broken_exports(name))
    def check(raw: bytes) -> None:
        path.write_bytes(raw)
        try:
            summary = import_file(store, path, format_name=name, owner_id=1001, me=OWNERS.get(name))
        except ExportError as exc:
            assert str(path) in str(exc) or str(path.parent) in str(exc)
            outcomes[type(exc).__name__] += 1
        else:
            outcomes["cut short" if summary.truncated_after else "with skips" if summary.skipped else "whole"] += 1

    check()
    return outcomes


def main() -> None:
    """Parse the arguments, run all formats, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=2000, help="for each format")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    total = 0
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "home" / "clone.db") as store:
        for name in FORMATS:
            start = time.perf_counter()
            path = Path(folder) / ("chat.html" if name == "telegram-html" else "export")
            outcomes = fuzz(store, path, name, cases=arguments.cases, start=arguments.seed)
            total += sum(outcomes.values())
            counts = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
            print(f"{name:14} {sum(outcomes.values()):6} cases in {time.perf_counter() - start:4.0f} s: {counts}")
    print(f"{total} cases, and nothing but imports and export errors")


if __name__ == "__main__":
    main()
