"""Measure training: the article's recipe, TRL, and this project's own trainer, on one machine in one call.

    python benchmarks/train.py                          # all, each in a process of its own
    python benchmarks/train.py --only article,default
    python benchmarks/train.py --tiny --seconds 1       # whether the script runs; for a CPU too

The model has the shape of Mistral-7B and random weights; nothing is downloaded. The samples are synthetic chats:
lengths log-normal around 60 tokens, cut at 256, every token but the first supervised. Only tokens that are no padding
count. MFU is 4 FLOP a weight and useful token (the base is frozen: a product forward, one back), 6 an adapter weight,
and attention's, over the rate of an 8192-cube product of random bfloat16 numbers, measured first. Peak memory is what
was allocated at most; beside the run's own estimate stands by how much that was too high or too low.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.speed.variants import FULL, ORDER, OURS, SMALL, TITLES

PACKAGES = ("torch", "triton", "transformers", "peft", "bitsandbytes", "liger-kernel", "trl")


def measure_rate() -> float:
    """Return FLOP/s of a large product of random bfloat16 numbers; 1e12 stands for an unmeasured CPU."""
    import torch

    if not torch.cuda.is_available():
        return 1e12
    left, right = (torch.randn(8192, 8192, device="cuda").bfloat16() for _ in range(2))
    for _ in range(3):
        left @ right
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(10):
        left @ right
    torch.cuda.synchronize()
    return 10 * 2 * 8192.0**3 / (time.perf_counter() - start)


def run_child(name: str, work: Path, shape: dict[str, int], seconds: float) -> None:
    """Run one variant and write what was measured."""
    import numpy as np
    import torch

    from benchmarks.speed.base import count_flop

    if name in OURS:
        from benchmarks.speed.ours import run_ours as run
    else:
        from benchmarks.speed.theirs import run_theirs as run
    found = run(name, work, shape, seconds)
    lengths = np.array(found.pop("lengths"))
    took = found["seconds"]
    cuda = torch.cuda.is_available()
    found |= {
        "name": name,
        "tokens_per_s": float(lengths.sum()) / took,
        "tokens_per_update": float(lengths.sum()) / found["updates"],
        "ms_per_update": 1000 * took / found["updates"],
        "flop_per_s": count_flop(shape, found["adapter"], lengths) / took,
        "peak_gib": torch.cuda.max_memory_allocated() / 2**30 if cuda else 0.0,
        "reserved_gib": torch.cuda.max_memory_reserved() / 2**30 if cuda else 0.0,
    }
    (work / f"{name}.json").write_text(json.dumps(found))


def start_child(name: str, args: argparse.Namespace, timeout_s: float) -> dict[str, Any] | None:
    """Run one variant in a process of its own; None where it fails, which is told."""
    log = args.work / f"{name}.log"
    command = [sys.executable, __file__, "--child", name, "--work", str(args.work), "--seconds", str(args.seconds)]
    command += ["--tiny"] if args.tiny else []
    with log.open("w") as file:
        try:
            subprocess.run(command, stdout=file, stderr=file, timeout=timeout_s, check=True)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as exc:
            print(f"{name}: {type(exc).__name__}\n{log.read_text()[-1500:]}", flush=True)
            return None
    found: dict[str, Any] = json.loads((args.work / f"{name}.json").read_text())
    losses = found.pop("losses")
    print(name, json.dumps(found | {"first_loss": losses[0], "last_loss": losses[-1]}), flush=True)
    return found


def describe_estimate(found: dict[str, Any]) -> str:
    """Say what was estimated, and by how much that was above what was measured."""
    parts = []
    for unit, digits, said, measured in (
        ("tok/s", 0, found.get("estimated_tokens_per_s"), found["tokens_per_s"]),
        ("GiB", 1, found.get("estimated_gib"), found["peak_gib"]),
    ):
        error = f" ({100 * (said / measured - 1):+.1f} %)" if said and measured else ""
        parts.append(f"{said:,.{digits}f} {unit}{error}" if said else f"- {unit}")
    return ", ".join(parts)


def show(results: list[dict[str, Any]], rate: float) -> None:
    """Print the table of what was measured."""
    article = next((found["tokens_per_s"] for found in results if found["name"] == "article"), None)
    print("\n| variant | useful tok/s | x article | tok/update | ms/update | peak GiB | reserved | MFU | estimated |")
    print("|---|---|---|---|---|---|---|---|---|")
    for found in results:
        times = f"{found['tokens_per_s'] / article:.1f}" if article else ""
        told = describe_estimate(found) if found["name"] in OURS else ""
        print(
            f"| {TITLES[found['name']]} | {found['tokens_per_s']:,.0f} | {times} | {found['tokens_per_update']:,.0f} "
            f"| {found['ms_per_update']:,.1f} | {found['peak_gib']:.2f} | {found['reserved_gib']:.2f} "
            f"| {100 * found['flop_per_s'] / rate:.1f} % | {told} |"
        )


def tell_versions() -> None:
    """Print the versions of the packages that matter."""
    for package in PACKAGES:
        try:
            print(package, version(package), end="  ")
        except PackageNotFoundError:
            print(package, "-", end="  ")
    print(flush=True)


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(ORDER), help="variants, in order")
    parser.add_argument("--work", type=Path, default=Path("/tmp/clone-bench"))  # noqa: S108 - a benchmark's own folder
    parser.add_argument("--seconds", type=float, default=10, help="measured for each variant, at least")
    parser.add_argument("--limit", type=float, default=540, help="seconds for everything")
    parser.add_argument("--tiny", action="store_true", help="a model of two narrow layers")
    parser.add_argument("--child", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> None:
    """Run what the command line asks for."""
    args = parse()
    shape = SMALL if args.tiny else FULL
    if args.child:
        run_child(args.child, args.work, shape, args.seconds)
        return
    began = time.monotonic()
    if not (args.work / "base").is_dir():
        from benchmarks.speed.base import write_base

        write_base(args.work / "base", shape)
    rate = measure_rate()
    print(f"base written in {time.monotonic() - began:.0f} s; bfloat16 products at {rate / 1e12:.0f} TFLOP/s")
    tell_versions()
    results = []
    for name in args.only.split(","):
        left = args.limit - (time.monotonic() - began)
        if left < 3 * args.seconds:
            print(f"{name}: left out, no time")
        elif found := start_child(name, args, left):
            results.append(found)
    show(results, rate)


if __name__ == "__main__":
    main()
