"""Instruction data: how much is mixed in, how its file is read, and which lines are refused."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import example_tokenizers as tokenizers
import pytest

from training.config import DataConfig
from training.data.instruct import mix_instructions, read_instructions
from training.data.render import Renderer
from training.data.samples import INSTRUCTION_CHAT_ID, Reason
from training.data.windows import Measured
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Turn

GOOD = {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "It is\n\n4."}]}


def count_words(turns: Sequence[Turn], system: str | None) -> int:
    return sum(1 + sum(len(text.split()) for text in turn.bubbles) for turn in turns)


def write_lines(path: Path, *rows: object) -> Path:
    path.write_text("\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows), encoding="utf-8")
    return path


def mix(path: Path | None, n_samples: int, **changes: object) -> tuple[list[Measured], Counter[Reason]]:
    """Mix the instructions of a file into a number of the owner's samples."""
    config = DataConfig.model_validate({"instruct_mix": path, "instruct_ratio": 0.5, **changes})
    left_out: Counter[Reason] = Counter()
    rng = random.Random(1)  # noqa: S311 - a choice of samples, no secret
    return mix_instructions(config, n_samples, count_tokens=count_words, rng=rng, left_out=left_out), left_out


@pytest.mark.parametrize(("ratio", "expected"), [(0.5, 8), (0.2, 2), (0.0, 0)])
def test_instructions_make_up_their_ratio_of_all_samples(tmp_path: Path, ratio: float, expected: int) -> None:
    rows = [{"messages": [{**GOOD["messages"][0], "content": f"q {i}"}, GOOD["messages"][1]]} for i in range(50)]
    mixed, _ = mix(write_lines(tmp_path / "mix.jsonl", *rows), 8, instruct_ratio=ratio)

    assert len(mixed) == expected
    assert len({sample.turns[0].bubbles for sample, _ in mixed}) == expected
    assert all(length == count_words(sample.turns, sample.system) for sample, length in mixed)
    assert {sample.chat_id for sample, _ in mixed} <= {INSTRUCTION_CHAT_ID}


def test_a_file_of_too_few_instructions_is_taken_whole(tmp_path: Path) -> None:
    mixed, _ = mix(write_lines(tmp_path / "mix.jsonl", GOOD, GOOD), 8)

    assert len(mixed) == 2


def test_without_a_file_nothing_is_mixed_in() -> None:
    assert mix(None, 8) == ([], Counter())


def test_instructions_that_are_too_long_are_counted(tmp_path: Path) -> None:
    long = {"messages": [{"role": "user", "content": "w " * 99}, {"role": "assistant", "content": "ok"}]}
    mixed, left_out = mix(write_lines(tmp_path / "mix.jsonl", long, GOOD), 8, max_tokens=32)

    assert [sample.turns[0].bubbles for sample, _ in mixed] == [("2+2?",)]
    assert left_out == {Reason.MIX_TOO_LONG: 1}


def test_instructions_keep_their_lines_and_their_system_line(tmp_path: Path) -> None:
    row = {"messages": [{"role": "system", "content": "Be brief."}, *GOOD["messages"]]}
    (sample,) = read_instructions(write_lines(tmp_path / "mix.jsonl", row, ""))
    assert sample.system == "Be brief."
    assert sample.supervised == (False, True)
    tokenizer = tokenizers.byte_level()
    text = tokenizer.decode(Renderer(tokenizer).encode(sample).ids)
    assert text.endswith("<|im_start|>assistant\nIt is\n\n4.<|im_end|>")


def test_bad_instruction_lines_are_named_by_number(tmp_path: Path) -> None:
    path = write_lines(
        tmp_path / "mix.jsonl",
        GOOD,
        "{no json",
        {"text": "other format"},
        {"messages": GOOD["messages"][:1]},
        {"messages": [{"role": "tool", "content": "x"}]},
        {"messages": [{"role": "user", "content": " "}]},
        {"messages": []},
    )
    with pytest.raises(ConfigError) as raised:
        read_instructions(path)
    assert str(raised.value) == (
        f"The instruction data {path} has 6 bad lines: line 2: Expecting property name enclosed in double quotes; "
        f"line 3: no messages; line 4: user and assistant must alternate, assistant last; line 5: a role other than "
        f"system, user, assistant; line 6: a message without text (and 1 more). Each line must be like "
        f'{{"messages": [{{"role": "user", "content": "…"}}, {{"role": "assistant", …}}]}}.'
    )


def test_missing_instruction_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        read_instructions(tmp_path / "none.jsonl")
    assert str(raised.value) == (
        f"The instruction data {tmp_path / 'none.jsonl'} can't be read: No such file or directory. "
        f"Check data.instruct_mix."
    )
