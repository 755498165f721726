"""The data set: what becomes a sample, and what does not."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from fakes import bubble

from training.config import DataConfig
from training.data.dataset import DataSet, Reason, build, describe, preview
from training.data.samples import INSTRUCTION_CHAT_ID
from userbot.domain.errors import ConsentError, TooLittleDataError
from userbot.domain.messages import Chat, ChatKind, Message, Origin, Turn, system_line
from userbot.store import Store

DAY_S = 86_400.0
CONTACT, OWNER, CLONE = Origin.CONTACT, Origin.OWNER, Origin.CLONE

Say = Callable[..., None]


def count_words(turns: Sequence[Turn], system: str | None) -> int:
    """Count as a renderer might: two tokens around each turn, one a word."""
    words = sum(2 + sum(len(text.split()) for text in turn.bubbles) for turn in turns)
    return 1 + words + len((system or "").split())


def config(**changes: object) -> DataConfig:
    values: dict[str, object] = {"min_turns": 1, "held_out": 0.0001, "system_line": False, **changes}
    return DataConfig.model_validate(values)


def make(store: Store, **changes: object) -> DataSet:
    return build(store, config(**changes), count_tokens=count_words)


def texts(data_set: DataSet) -> list[list[tuple[str, ...]]]:
    return [[turn.bubbles for turn in sample.turns] for sample in data_set.train]


@pytest.fixture
def say(store: Store, friend: Chat) -> Say:
    """Write a conversation to the store, a line a minute; the friend has agreed to it."""
    store.consents.give(friend.id, by="Vera herself")
    ids = iter(range(1, 10_000))

    def write(*lines: tuple[Origin, str], day: float = 0.0, chat_id: int = friend.id, **changes: object) -> None:
        messages = []
        for number, (origin, text) in enumerate(lines):
            message = bubble(next(ids), text, origin=origin, chat_id=chat_id, at_s=day * DAY_S + number * 60)
            values = {name: getattr(message, name) for name in message.__slots__}
            messages.append(Message(**{**values, **changes}))
        store.messages.add(messages)

    return write


def test_chats_without_consent_are_left_out(store: Store, say: Say) -> None:
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="Ann"), Chat(id=6, kind=ChatKind.BOT, title="Bot")])
    store.chats.save([Chat(id=7, kind=ChatKind.GROUP, title="Half", own_only=True)])
    store.consents.give(7, by="me")
    store.consents.give(6, by="me")
    say((CONTACT, "a"), (OWNER, "b one"), (CONTACT, "a"), (OWNER, "b two"))
    for chat_id in (5, 6, 7):
        say((CONTACT, "no"), (OWNER, "not this"), chat_id=chat_id)
    data_set = make(store)
    assert {sample.chat_id for sample in (*data_set.train, *data_set.held_out)} == {101}
    reasons = {chat.title: chat.left_out for chat in data_set.report.chats}
    assert reasons == {
        "Vera": None,
        "Ann": Reason.NO_CONSENT,
        "Bot": Reason.NO_CONVERSATION,
        "Half": Reason.OWN_ONLY,
    }


def test_no_consent_at_all_says_how_to_record_one(store: Store, friend: Chat) -> None:
    with pytest.raises(ConsentError) as raised:
        make(store)
    assert str(raised.value) == (
        "No consent to train on a chat is recorded; the store holds 1 chat with people. Ask, then record it with "
        "`clone chats consent CHAT --by WHO`; `clone chats list` shows the chats."
    )


def test_empty_store_says_what_to_bring(store: Store) -> None:
    with pytest.raises(TooLittleDataError) as raised:
        make(store)
    assert str(raised.value) == (
        "The store holds no chat with people to learn from. Bring some in with `clone import result.json` or "
        "`clone pull`."
    )


def test_too_little_data_says_how_much_there_is(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "b one"), (CONTACT, "c"), (OWNER, "d two"))
    with pytest.raises(TooLittleDataError) as raised:
        make(store, min_turns=40)
    assert str(raised.value) == (
        "Only 2 turns of yours can be learned; at least 40 are needed, and 2,000 or more are sensible. Bring in more "
        "chats with `clone import`, record more consents with `clone chats consent`, or lower data.min_turns; `clone "
        "dataset stats` says what was left out and why."
    )


def test_samples_end_with_a_supervised_owner_turn(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "b one"), (CONTACT, "c"), (CONTACT, "d"))
    say((CONTACT, "only the contact"), day=1)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    assert texts(make(store)) == [[("a",), ("b one",)], [("z",), ("newest",)]]


def test_messages_of_the_clone_are_in_no_sample(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "own one"), (CONTACT, "b"), (CLONE, "machine"), (OWNER, "own two"), (CONTACT, "c"))
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    data_set = make(store)
    assert texts(data_set) == [[("a",), ("own one",)], [("z",), ("newest",)]]
    assert data_set.report.left_out == {Reason.CLONE: 1, Reason.AFTER_CLONE: 1}


def test_the_gap_between_sessions_is_that_of_the_configuration(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "b one"))
    say((CONTACT, "c"), (OWNER, "d two"), day=0.5)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    assert [len(turns) for turns in texts(make(store))] == [2, 2, 2]
    assert [len(turns) for turns in texts(make(store, session_gap_h=13))] == [4, 2]


def test_groups_are_named_in_the_system_line_and_their_speakers_in_the_turns(store: Store, say: Say) -> None:
    store.chats.save([Chat(id=-5, kind=ChatKind.GROUP, title="Team")])
    say((CONTACT, "lunch?"), chat_id=-5, sender_name="Ann")
    store.consents.give(-5, by="all of them")
    say((OWNER, "fine by me"), chat_id=-5, day=0.002)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    data_set = make(store, system_line=True)
    assert texts(data_set)[0] == [("Ann: lunch?",), ("fine by me",)]
    assert data_set.train[0].system == "Group chat Team."


def test_system_line_says_who_the_contact_is(store: Store, say: Say, friend: Chat) -> None:
    store.chats.set_relationship(friend.id, "my sister")
    say((CONTACT, "a"), (OWNER, "b one"), (CONTACT, "c"), (OWNER, "d two"))
    assert make(store, system_line=True).train[0].system == "Chat with Vera (my sister)."


@pytest.mark.parametrize(
    ("kind", "title", "relationship", "line"),
    [
        (ChatKind.PRIVATE, "Vera  \n K", None, "Chat with Vera K."),
        (ChatKind.GROUP, "Team", "work", "Group chat Team (work)."),
        (ChatKind.PRIVATE, "", "my sister", "my sister"),
        (ChatKind.PRIVATE, " ", None, None),
    ],
)
def test_system_line_is_one_line(kind: ChatKind, title: str, relationship: str | None, line: str | None) -> None:
    assert system_line(Chat(id=1, kind=kind, title=title, relationship=relationship)) == line


def test_newest_sessions_of_all_chats_are_held_out(store: Store, say: Say) -> None:
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="Ann")])
    store.consents.give(5, by="Ann")
    for day in range(20):
        say((CONTACT, "q"), (OWNER, f"answer {day}"), day=day, chat_id=(101, 5)[day % 2])
    data_set = make(store, held_out=0.2)
    held = [sample.turns[1].bubbles[0] for sample in data_set.held_out]
    assert held == ["answer 16", "answer 17", "answer 18", "answer 19"]
    assert {sample.chat_id for sample in data_set.held_out} == {101, 5}
    assert data_set.report.held_out_since == data_set.held_out[0].newest_at
    assert len(data_set.train) == 16


def test_one_long_session_is_cut_for_the_held_out_set(store: Store, say: Say) -> None:
    say(*[line for i in range(20) for line in ((CONTACT, f"q {i}"), (OWNER, f"answer {i}"))])
    data_set = make(store, held_out=0.2)
    assert texts(data_set)[0][-1] == ("answer 15",)
    (held,) = data_set.held_out
    assert [turn.bubbles[0] for turn in held.turns][:2] == ["q 16", "answer 16"]
    assert sum(held.supervised) == 4


@pytest.mark.parametrize(
    ("changes", "reason", "count"),
    [
        ({"repeats": 2}, Reason.REPEATED, 4),
        ({"repeats": 9, "half_life_days": 0.001}, Reason.AGE, 7),
        ({"repeats": 9, "max_tokens": 32}, Reason.TOO_LONG, 1),
    ],
)
def test_what_each_rule_leaves_out_is_counted(
    store: Store, say: Say, changes: dict[str, object], reason: Reason, count: int
) -> None:
    for day in range(6):
        say((CONTACT, f"q {day}"), (OWNER, "haha yes"), day=day)
    say((CONTACT, "z"), (OWNER, "w " * 60), day=8)
    say((CONTACT, "z"), (OWNER, "newest"), day=9)
    assert make(store, **changes).report.left_out[reason] == count


def test_the_report_is_that_of_what_was_read(store: Store, say: Say) -> None:
    for day in range(10):
        say((CONTACT, "how are you"), (OWNER, f"fine {day}"), day=day)
    report = describe(make(store, held_out=0.2))
    assert (report.train_samples, report.held_out_samples) == (8, 2)
    assert report.train_tokens == 8 * (1 + 5 + 4)
    (chat,) = report.chats
    assert (chat.title, chat.messages, chat.own_turns, chat.supervised, chat.held_out) == ("Vera", 20, 10, 8, 2)


def test_instructions_are_mixed_into_the_training_samples_alone(store: Store, say: Say, tmp_path: Path) -> None:
    for day in range(10):
        say((CONTACT, "q"), (OWNER, f"fine {day}"), day=day)
    row = {"messages": [{"role": "user", "content": "2+2?"}, {"role": "assistant", "content": "4"}]}
    path = tmp_path / "mix.jsonl"
    path.write_text(f"{json.dumps(row)}\n" * 50, encoding="utf-8")
    data_set = make(store, held_out=0.2, instruct_mix=path, instruct_ratio=0.5)
    assert (len(data_set.train), data_set.report.mixed_samples) == (16, 8)
    assert not any(sample.chat_id == INSTRUCTION_CHAT_ID for sample in data_set.held_out)


def test_preview_marks_what_is_supervised(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "b\nc"), (OWNER, "d"))
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    assert preview(make(store, system_line=True), 1) == ["Chat with Vera.\nUser: a\nClone: ⟦b\u2028c\nd⟧"]
