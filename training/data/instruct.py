"""Instruction data, mixed in so that the clone keeps the general abilities of its base."""

from __future__ import annotations

import json
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from training.config import DataConfig
from training.data.samples import INSTRUCTION_CHAT_ID, Reason, Sample
from training.data.windows import CountTokens, Measured
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Turn

_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_NAMED_LINES = 5


def mix_instructions(
    config: DataConfig,
    n_samples: int,
    *,
    count_tokens: CountTokens,
    rng: random.Random,
    left_out: Counter[Reason],
) -> list[Measured]:
    """Choose as many instruction samples as make up `instruct_ratio` of all samples, or all there are.

    Args:
        config: Gives the file, the ratio and the longest sample.
        n_samples: Number of samples of the owner's chats.
        count_tokens: Counts the tokens of turns.
        rng: Chooses the samples.
        left_out: Is increased by the samples that are too long.

    Returns:
        Samples with their numbers of tokens, in random order; none without a file.

    Raises:
        ConfigError: The file can't be read, or has bad lines.
    """
    if config.instruct_mix is None or config.instruct_ratio == 0:
        return []
    n_mixed = round(n_samples * config.instruct_ratio / (1 - config.instruct_ratio))
    instructions = read_instructions(config.instruct_mix)
    rng.shuffle(instructions)
    mixed: list[Measured] = []
    for sample in instructions:
        if len(mixed) == n_mixed:
            break
        length = count_tokens(sample.turns, sample.system)
        if length <= config.max_tokens:
            mixed.append((sample, length))
        else:
            left_out[Reason.MIX_TOO_LONG] += 1
    return mixed


def read_instructions(path: Path) -> list[Sample]:
    """Read JSONL in the messages format: `{"messages": [{"role": "user", "content": "…"}, …]}`, one sample per line.

    The roles are an optional `system` first, then `user` and `assistant` alternating, an `assistant` last. All
    assistant turns are supervised.

    Args:
        path: The file, UTF-8. Empty lines are skipped.

    Returns:
        One sample per line, in order.

    Raises:
        ConfigError: The file can't be read, or has lines of another form; the text gives their numbers.
    """
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise ConfigError(f"The instruction data {path} can't be read: {reason}. Check data.instruct_mix.") from exc
    samples = []
    bad: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            samples.append(_make_sample(json.loads(line)))
        except ValueError as exc:
            bad.append(f"line {number}: {exc.msg if isinstance(exc, json.JSONDecodeError) else exc}")
    if bad:
        more = f" (and {len(bad) - _NAMED_LINES} more)" if len(bad) > _NAMED_LINES else ""
        raise ConfigError(
            f"The instruction data {path} has {len(bad)} bad lines: {'; '.join(bad[:_NAMED_LINES])}{more}. Each "
            f'line must be like {{"messages": [{{"role": "user", "content": "…"}}, {{"role": "assistant", …}}]}}.'
        )
    return samples


def _make_sample(row: Any) -> Sample:
    messages = row.get("messages") if isinstance(row, dict) else None
    if not isinstance(messages, list) or not messages:
        raise ValueError("no messages")
    texts = [_read_message(message) for message in messages]
    system = texts.pop(0)[1] if texts[0][0] == "system" else None
    turns = tuple(Turn(role == "assistant", tuple(text.split("\n"))) for role, text in texts)
    if not turns or len(turns) % 2 or any(turn.mine != bool(i % 2) for i, turn in enumerate(turns)):
        raise ValueError("user and assistant must alternate, assistant last")
    return Sample(turns, tuple(turn.mine for turn in turns), system, INSTRUCTION_CHAT_ID, _LONG_AGO)


def _read_message(message: Any) -> tuple[str, str]:
    role = message.get("role") if isinstance(message, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if role not in ("system", "user", "assistant"):
        raise ValueError("a role other than system, user, assistant")
    if not isinstance(content, str) or not content.strip():
        raise ValueError("a message without text")
    return role, content.strip()
