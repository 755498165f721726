"""The data set: from the store to samples, by the rules that docs/dataset.md explains. Needs no torch."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from training.config import DataConfig
from training.data.balance import SENSIBLE_TURNS, cap_chats, split_held_out, thin_by_age, thin_repeats
from training.data.instruct import mix_instructions
from training.data.masked import mask_sessions
from training.data.report import make_report
from training.data.samples import ChatReport, DataReport, DataSet, Reason, Sample
from training.data.sessions import Session, read_sessions
from training.data.windows import CountTokens, Measured, cut_windows
from userbot.domain.consent import ConsentState
from userbot.domain.errors import ConsentError, TooLittleDataError
from userbot.domain.exclusions import Exclusion
from userbot.domain.messages import Chat, Message, system_line
from userbot.domain.plural import format_count
from userbot.domain.prompt_rules import Masking
from userbot.domain.text import CONTACT_MARK, OWNER_MARK, join_bubbles
from userbot.store import Store
from userbot.store.facts import EXCLUSIONS

__all__ = ["ChatReport", "CountTokens", "DataReport", "DataSet", "Reason", "Sample", "build", "describe", "preview"]


def build(store: Store, config: DataConfig, *, count_tokens: CountTokens, seed: int = 7) -> DataSet:
    """Build the data set: samples of all chats with consent, the newest sessions held out.

    Args:
        store: Source of chats and messages.
        config: Rules for what becomes a sample.
        count_tokens: Counts the tokens of turns with a system line, as the base model's renderer writes them.
        seed: Seed of thinning by age and of the choice of instruction samples; equal seeds give equal data sets.

    Returns:
        The samples, and a report on what they were made of and what was left out.

    Raises:
        ConsentError: No chat with people has a recorded consent.
        TooLittleDataError: Fewer owner turns than `config.min_turns` are left.
        ConfigError: The file of instruction data can't be used.
    """
    rng = random.Random(seed)  # noqa: S311 - a choice of samples, no secret
    left_out: Counter[Reason] = Counter()
    masked: Counter[str] = Counter()
    masking = Masking.read(config.model_dump())
    exclusions = store.facts.get(EXCLUSIONS) or ()
    chats = store.chats.all()
    ledger = store.consents.states()
    reasons = {chat.id: _refusal(chat, ledger.get(chat.id), exclusions) for chat in chats}
    refused = {chat_id: reason for chat_id, reason in reasons.items() if reason is not None}
    left_out.update(refused.values())
    used = [chat for chat in chats if chat.id not in refused]
    _require_consent(used, refused.values())
    sessions: list[Session] = []
    n_messages: dict[int, int] = {}
    for chat in used:
        history = _Counted(_covered(store.messages.history(chat.id), ledger[chat.id].since, left_out))
        found = read_sessions(
            chat, history, gap=timedelta(hours=config.session_gap_h), exclusions=exclusions, left_out=left_out
        )
        sessions += found if masking is None else mask_sessions(found, masking, counts=masked, left_out=left_out)
        n_messages[chat.id] = history.count
    train, held_out = _balance(sessions, config, rng=rng, left_out=left_out)
    systems = {chat.id: system_line(chat) if config.system_line else None for chat in used}
    trained = _cut(train, systems, config, count_tokens=count_tokens, left_out=left_out)
    evaluated = _cut(held_out, systems, config, count_tokens=count_tokens, left_out=left_out)
    _require_enough(trained, evaluated, config.min_turns)
    mixed = mix_instructions(config, len(trained), count_tokens=count_tokens, rng=rng, left_out=left_out)
    report = make_report(
        chats,
        refused,
        n_messages,
        own_turns=_sum_own_turns(sessions),
        train=[*trained, *mixed],
        held_out=evaluated,
        left_out=left_out,
        masked=masked,
        count_tokens=count_tokens,
    )
    return DataSet(tuple(sample for sample, _ in (*trained, *mixed)), tuple(sample for sample, _ in evaluated), report)


def describe(data_set: DataSet) -> DataReport:
    """Return the report of a data set."""
    return data_set.report


def preview(data_set: DataSet, n: int) -> list[str]:
    """Return the first `n` training samples as plain text; what is supervised stands between ⟦ and ⟧."""
    return [_show(sample) for sample in data_set.train[:n]]


def _show(sample: Sample) -> str:
    lines = [sample.system] if sample.system else []
    for turn, supervised in zip(sample.turns, sample.supervised, strict=True):
        text = join_bubbles(turn.bubbles)
        lines.append(f"{OWNER_MARK if turn.mine else CONTACT_MARK} {f'⟦{text}⟧' if supervised else text}")
    return "\n".join(lines)


def _covered(history: Iterable[Message], since: datetime | None, left_out: Counter[Reason]) -> Iterator[Message]:
    """Return the messages that the consent covers: those sent from a time on."""
    for message in history:
        if since is None or message.sent_at >= since:
            yield message
        else:
            left_out[Reason.BEFORE_CONSENT] += 1


def _refusal(chat: Chat, consent: ConsentState | None, exclusions: Sequence[Exclusion]) -> Reason | None:
    if not chat.kind.is_conversation:
        return Reason.NO_CONVERSATION
    if chat.own_only:
        return Reason.OWN_ONLY
    if consent is None or consent.lapsed:
        return Reason.NO_CONSENT
    if consent.missing:
        return Reason.MEMBERS_MISSING
    return Reason.EXCLUDED_CHAT if Exclusion(chat_id=chat.id) in exclusions else None


def _require_consent(used: Sequence[Chat], refusals: Iterable[Reason]) -> None:
    if used:
        return
    counts = Counter(refusals)
    if excluded := counts[Reason.EXCLUDED_CHAT]:
        raise TooLittleDataError(
            f"Nothing is left to learn from: {format_count(excluded, 'chat')} with consent you keep out. "
            f"`clone dataset excluded` shows it, `clone dataset include N` takes one in again."
        )
    waiting = counts[Reason.NO_CONSENT] + counts[Reason.MEMBERS_MISSING]
    if waiting == 0:
        raise TooLittleDataError(
            "The store holds no chat with people to learn from. Bring some in with `clone import result.json` or "
            "`clone pull`."
        )
    raise ConsentError(
        f"No consent to train on a chat is recorded; the store holds {format_count(waiting, 'chat with people')}. Ask, "
        f"then record it with `clone chats consent CHAT --by WHO`; `clone chats list` shows the chats."
    )


def _balance(
    sessions: Sequence[Session], config: DataConfig, *, rng: random.Random, left_out: Counter[Reason]
) -> tuple[list[Session], list[Session]]:
    older, newer = split_held_out(sessions, config.held_out)
    train = thin_repeats(older, repeats=config.repeats, left_out=left_out)
    if config.half_life_days is not None:
        train = thin_by_age(train, timedelta(days=config.half_life_days), rng=rng, left_out=left_out)
    train = cap_chats(train, config.chat_share, left_out=left_out)
    return train, thin_repeats(newer, repeats=config.repeats, left_out=left_out)


def _cut(
    sessions: Iterable[Session],
    systems: dict[int, str | None],
    config: DataConfig,
    *,
    count_tokens: CountTokens,
    left_out: Counter[Reason],
) -> list[Measured]:
    return [
        measured
        for session in sessions
        for measured in cut_windows(
            session,
            systems[session.chat_id],
            count_tokens=count_tokens,
            max_tokens=config.max_tokens,
            left_out=left_out,
        )
    ]


def _require_enough(train: Sequence[Measured], held_out: Sequence[Measured], min_turns: int) -> None:
    n_turns = sum(sum(sample.supervised) for sample, _ in (*train, *held_out))
    if train and n_turns >= min_turns:
        return
    raise TooLittleDataError(
        f"Only {format_count(n_turns, 'turn')} of yours can be learned; at least {min_turns} are needed, and "
        f"{SENSIBLE_TURNS:,} or more are sensible. Bring in more chats with `clone import`, record more consents with "
        f"`clone chats consent`, or lower data.min_turns; `clone dataset stats` says what was left out and why."
    )


def _sum_own_turns(sessions: Iterable[Session]) -> Counter[int]:
    sums: Counter[int] = Counter()
    for session in sessions:
        sums[session.chat_id] += session.own_turns
    return sums


class _Counted:
    """An iterable of messages that counts them as they are read."""

    def __init__(self, messages: Iterator[Message]) -> None:
        self._messages = messages
        self.count = 0

    def __iter__(self) -> Iterator[Message]:
        for self.count, message in enumerate(self._messages, start=1):  # noqa: B020 - the count is the purpose
            yield message
