"""The report on a data set: counts by chat, by reason, and of tokens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from fakes import START

from training.data.report import make_report
from training.data.samples import INSTRUCTION_CHAT_ID, DataReport, Reason, Sample
from training.data.windows import Measured
from userbot.domain.messages import Chat, ChatKind, Turn

CHATS = [Chat(id=number, kind=ChatKind.PRIVATE, title=name) for number, name in ((1, "Ann"), (2, "Bob"), (3, "Cid"))]


def count_words(turns: Sequence[Turn], system: str | None) -> int:
    """Count one token a word, two around each turn, and three before everything."""
    return 3 + sum(2 + sum(len(text.split()) for text in turn.bubbles) for turn in turns) + len((system or "").split())


def sample(chat_id: int, *texts: str, day: int = 0) -> Measured:
    """Make a sample of a question, answers in turn, with its length."""
    turns = tuple(Turn(bool(i % 2), (text,)) for i, text in enumerate(texts))
    supervised = tuple(turn.mine for turn in turns)
    made = Sample(turns, supervised, None, chat_id, START + timedelta(days=day))
    return made, count_words(turns, None)


def report(train: Sequence[Measured], held_out: Sequence[Measured] = (), **changes: object) -> DataReport:
    values: dict[str, object] = {"own_turns": {}, "left_out": {}, "masked": {}, "count_tokens": count_words, **changes}
    return make_report(CHATS, {3: Reason.NO_CONSENT}, {1: 20, 2: 8}, train=train, held_out=held_out, **values)  # type: ignore[arg-type]  # by name


def test_chats_are_counted_and_those_with_most_supervised_turns_come_first() -> None:
    train = [sample(1, "q", "a"), sample(2, "q", "a", "q", "b")]
    made = report(train, [sample(1, "q", "a")], own_turns={1: 5, 2: 9})

    assert [chat.title for chat in made.chats] == ["Bob", "Ann", "Cid"]
    bob, ann, cid = made.chats
    assert (bob.messages, bob.own_turns, bob.supervised, bob.held_out, bob.left_out) == (8, 9, 2, 0, None)
    assert (ann.messages, ann.own_turns, ann.supervised, ann.held_out) == (20, 5, 1, 1)
    assert (cid.messages, cid.left_out) == (0, Reason.NO_CONSENT)


def test_turns_and_tokens_are_those_of_the_samples() -> None:
    train = [sample(1, "how are you", "fine"), sample(1, "and you", "so so")]
    made = report(train, [sample(2, "q", "a")])

    assert (made.train_samples, made.train_turns, made.held_out_samples, made.held_out_turns) == (2, 2, 1, 1)
    assert made.train_tokens == (3 + 5 + 3) + (3 + 4 + 4)
    assert made.supervised_tokens == (2 + 1) + (2 + 2), "what stands before everything is not supervised"


def test_instruction_samples_are_counted_apart() -> None:
    made = report([sample(1, "q", "a"), sample(INSTRUCTION_CHAT_ID, "2+2?", "4")])

    assert (made.train_samples, made.mixed_samples) == (2, 1)


def test_lengths_are_percentiles_of_the_training_samples() -> None:
    made = report([sample(1, "q", " ".join(["w"] * words)) for words in range(1, 101)])

    assert made.lengths == {50: 8 + 50, 90: 8 + 90, 99: 8 + 99, 100: 8 + 100}


def test_reasons_that_never_occurred_are_left_out() -> None:
    made = report([sample(1, "q", "a")], left_out={Reason.CLONE: 3, Reason.AGE: 0})

    assert made.left_out == {Reason.CLONE: 3}


def test_the_oldest_held_out_session_is_named() -> None:
    assert report([], [sample(1, "q", "a", day=4), sample(2, "q", "a", day=2)]).held_out_since == (
        START + timedelta(days=2)
    )
    assert report([]).held_out_since is None
