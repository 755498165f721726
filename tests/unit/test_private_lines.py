"""The detectors on whole sets of lines, by the benchmark's own count; and over several messages."""

from __future__ import annotations

import importlib.util
import time
from pathlib import Path
from typing import Any

from userbot.trust.detectors import Finding, detect, detect_in_thread

ROOT = Path(__file__).parents[2]


def load_benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("masking_benchmark", ROOT / "benchmarks" / "masking.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_own_lines_are_found_and_others_left_alone() -> None:
    benchmark = load_benchmark()
    lines = benchmark.read_own(benchmark.FOLDER / "own.txt")
    counts = {name: by_kind.total() for name, by_kind in benchmark.measure(lines, benchmark.find_ours).items()}
    assert counts["marked"] > 250
    assert counts["right"] >= 0.95 * counts["marked"]
    assert counts["true"] >= 0.98 * counts["reported"]


def test_lines_whose_author_had_not_seen_the_patterns_are_found_as_often_as_is_aimed_at() -> None:
    benchmark = load_benchmark()
    lines = benchmark.read_blind(benchmark.FOLDER / "private_lines.jsonl")
    counts = {name: by_kind.total() for name, by_kind in benchmark.measure(lines, benchmark.find_ours).items()}
    # Shares alone: a failing assertion must not print a line.
    assert counts["right"] / counts["marked"] >= 0.80
    assert counts["true"] / counts["reported"] >= 0.975


def test_what_one_message_asks_for_is_found_in_the_next() -> None:
    assert detect_in_thread(["какой пароль от вайфая?", "hunter22"]) == ((), (Finding(0, 8, "password"),))
    assert detect("hunter22") == ()


def test_value_over_two_messages_is_found_in_both() -> None:
    first, second = detect_in_thread(["серия 4510", "номер 123456"])
    assert (first, second) == ((Finding(6, 10, "passport"),), (Finding(0, 12, "passport"),))


def test_text_without_a_telling_word_costs_next_to_nothing() -> None:
    text = "ну я думаю завтра увидимся и всё обсудим, давай после обеда"
    started = time.perf_counter()
    for _ in range(2_000):
        assert detect(text) == ()
    assert time.perf_counter() - started < 0.5


HOSTILE = (
    "1-",
    "1 ",
    "пароль ",
    "ул ",
    "5 main st ",
    "a.",
    "паспорт ",
    "код 1 ",
    "a1",
    "логин a ",
    "серия ",
    "семь ",
    "@",
)


def test_no_text_takes_long() -> None:
    detect("token ghp_16C7e42F292c6912E7710c838347Ae178B4a")  # loads the libraries
    for piece in HOSTILE:
        started = time.process_time()
        detect((piece * 4096)[:4095] + "1")
        assert time.process_time() - started < 0.25, piece
