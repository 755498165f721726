"""The report on a data set, counted from its samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from training.data.samples import INSTRUCTION_CHAT_ID, ChatReport, DataReport, Reason
from training.data.windows import CountTokens, Measured
from userbot.domain.messages import Chat

PERCENTILES = (50, 90, 99, 100)


def make_report(
    chats: Sequence[Chat],
    refused: Mapping[int, Reason],
    n_messages: Mapping[int, int],
    *,
    own_turns: Mapping[int, int],
    train: Sequence[Measured],
    held_out: Sequence[Measured],
    left_out: Mapping[Reason, int],
    masked: Mapping[str, int],
    count_tokens: CountTokens,
) -> DataReport:
    """Count what a data set holds.

    Args:
        chats: All chats of the store.
        refused: Chats left out whole: reason by chat id.
        n_messages: Messages read, by chat id.
        own_turns: Owner turns with own words, by chat id.
        train: Training samples with their lengths in tokens, mixed-in ones included.
        held_out: Held-out samples with their lengths in tokens.
        left_out: Counts by reason.
        masked: Counts of masked values by kind.
        count_tokens: Counts the tokens of turns.

    Returns:
        The report, chats with most supervised turns first.
    """
    supervised, evaluated = _count_turns(train), _count_turns(held_out)
    counts = {"messages": n_messages, "own_turns": own_turns, "supervised": supervised, "held_out": evaluated}
    reports = (
        ChatReport(
            chat_id=chat.id,
            title=chat.title,
            left_out=refused.get(chat.id),
            **{name: by_chat.get(chat.id, 0) for name, by_chat in counts.items()},
        )
        for chat in chats
    )
    return DataReport(
        chats=tuple(sorted(reports, key=lambda report: (-report.supervised, -report.own_turns, report.title))),
        left_out={reason: left_out[reason] for reason in Reason if left_out.get(reason)},
        masked=dict(sorted(masked.items())),
        train_samples=len(train),
        mixed_samples=sum(sample.chat_id == INSTRUCTION_CHAT_ID for sample, _ in train),
        held_out_samples=len(held_out),
        train_turns=supervised.total(),
        held_out_turns=evaluated.total(),
        train_tokens=sum(length for _, length in train),
        supervised_tokens=_count_supervised(train, count_tokens),
        lengths=_find_percentiles(sorted(length for _, length in train)),
        held_out_since=min((sample.newest_at for sample, _ in held_out), default=None),
    )


def _count_turns(samples: Sequence[Measured]) -> Counter[int]:
    sums: Counter[int] = Counter()
    for sample, _ in samples:
        sums[sample.chat_id] += sum(sample.supervised)
    return sums


def _count_supervised(samples: Sequence[Measured], count_tokens: CountTokens) -> int:
    # A lone owner turn is rendered after an empty opening, which the empty conversation is too.
    opening = count_tokens((), None)
    return sum(
        count_tokens((turn,), None) - opening
        for sample, _ in samples
        for turn, supervised in zip(sample.turns, sample.supervised, strict=True)
        if supervised
    )


def _find_percentiles(lengths: Sequence[int]) -> dict[int, int]:
    return {percent: lengths[-(-len(lengths) * percent // 100) - 1] for percent in PERCENTILES if lengths}
