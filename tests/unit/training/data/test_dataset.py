"""The data set: what becomes a sample, and what does not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from fakes import START, bubble

from training.config import DataConfig
from training.data.dataset import DataSet, Reason, build, describe, preview
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


def supervised(data_set: DataSet) -> list[tuple[str, ...]]:
    return [
        t.bubbles for s in data_set.train for t, supervised in zip(s.turns, s.supervised, strict=True) if supervised
    ]


@pytest.fixture
def say(store: Store, friend: Chat) -> Say:
    """Write a conversation to the store, a line a minute; the friend has agreed to it."""
    store.chats.record_consent(friend.id, by="Vera herself")
    ids = iter(range(1, 10_000))

    def write(*lines: tuple[Origin, str], day: float = 0.0, chat_id: int = friend.id, **changes: object) -> None:
        found = []
        for number, (origin, text) in enumerate(lines):
            message = bubble(next(ids), text, origin=origin, chat_id=chat_id, at_s=day * DAY_S + number * 60)
            values = {name: getattr(message, name) for name in message.__slots__}
            found.append(Message(**{**values, **changes}))
        store.messages.add(found)

    return write


def test_bursts_become_turns_and_bubbles_stay_apart(store: Store, say: Say) -> None:
    say((CONTACT, "hi"), (CONTACT, "you there?"), (OWNER, "yes"), (OWNER, "what's up"))
    say((CONTACT, "old"), (OWNER, "gold"), day=-9)
    (old, new) = make(store).train
    assert [turn.bubbles for turn in new.turns] == [("hi", "you there?"), ("yes", "what's up")]
    assert new.supervised == (False, True)
    assert [[message.id for message in turn.messages] for turn in new.turns] == [[], [3, 4]]
    assert (new.chat_id, new.system) == (101, None)
    assert new.newest_at == START + timedelta(minutes=3)
    assert old.newest_at < new.newest_at


def test_days_of_silence_split_sessions(store: Store, say: Say) -> None:
    # 3 days and 1 minute: a gap counted in seconds of the day alone would be one minute.
    say((CONTACT, "a"), (OWNER, "b one"))
    say((CONTACT, "c"), (OWNER, "d two"), day=3)
    say((CONTACT, "e"), (OWNER, "f three"), day=3.1)
    assert texts(make(store)) == [[("a",), ("b one",)], [("c",), ("d two",), ("e",), ("f three",)]]


def test_chats_without_consent_are_left_out(store: Store, say: Say) -> None:
    store.chats.save([Chat(id=5, kind=ChatKind.PRIVATE, title="Ann"), Chat(id=6, kind=ChatKind.BOT, title="Bot")])
    store.chats.save([Chat(id=7, kind=ChatKind.GROUP, title="Half", own_only=True)])
    store.chats.record_consent(7, by="me")
    store.chats.record_consent(6, by="me")
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


def test_the_clone_s_messages_are_neither_learned_nor_shown(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "own one"), (CONTACT, "b"), (CLONE, "machine"), (OWNER, "own two"), (CONTACT, "c"))
    say((OWNER, "own three"), (CONTACT, "d"), (OWNER, "own four"), day=0.01)
    data_set = make(store)
    samples = [*data_set.train, *data_set.held_out]
    assert not any("machine" in turn.bubbles for sample in samples for turn in sample.turns)
    found = [[t.bubbles[0] for t in s.turns] for s in samples]
    assert ["a", "own one"] in found
    # What "own two" answers is not there, so it is context only.
    assert next(s.supervised for s in samples if s.turns[0].bubbles == ("own two",))[0] is False
    assert data_set.report.left_out[Reason.CLONE] == 1
    assert data_set.report.left_out[Reason.AFTER_CLONE] == 1


@pytest.mark.parametrize("mark", [{"forwarded": True}, {"via_bot": True}])
def test_words_of_others_are_dropped_from_own_turns(store: Store, say: Say, mark: dict[str, bool]) -> None:
    say((CONTACT, "a"), (OWNER, "mine"))
    say((OWNER, "somebody else's"), day=0.001, **mark)
    say((CONTACT, "b"), day=0.002)
    say((OWNER, "somebody else's again"), day=0.003, **mark)
    say((CONTACT, "c"), (OWNER, "mine too"), day=0.004)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    data_set = make(store)
    (sample,) = data_set.train[:1]
    assert [turn.bubbles[0] for turn in sample.turns] == ["a", "mine", "b", "somebody else's again", "c", "mine too"]
    assert sample.supervised == (False, True, False, False, False, True)
    assert data_set.report.left_out[Reason.NO_OWN_WORDS] == 1


def test_media_alone_is_context_and_beside_words_is_dropped(store: Store, say: Say) -> None:
    say((CONTACT, "a"))
    say((OWNER, ""), day=0.001, media="[voice 0:07]")
    say((CONTACT, "b"), day=0.002)
    say((OWNER, "look at this"), day=0.003, media="[photo]")
    say((OWNER, ""), day=0.004, media="[photo]")
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    (sample, _) = make(store).train
    assert [turn.bubbles for turn in sample.turns] == [("a",), ("[voice 0:07]",), ("b",), ("look at this",)]
    assert sample.supervised == (False, False, False, True)


def test_samples_end_with_a_learned_owner_turn(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "b one"), (CONTACT, "c"), (CONTACT, "d"))
    say((CONTACT, "only the peer"), day=1)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    assert texts(make(store)) == [[("a",), ("b one",)], [("z",), ("newest",)]]


def test_groups_name_the_speakers(store: Store, say: Say) -> None:
    store.chats.save([Chat(id=-5, kind=ChatKind.GROUP, title="Team")])
    store.chats.record_consent(-5, by="all of them")
    say((CONTACT, "lunch?"), chat_id=-5, sender_name="Ann")
    say((CONTACT, "at two"), chat_id=-5, sender_name="Bob", day=0.001)
    say((OWNER, "fine by me"), chat_id=-5, day=0.002)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    data_set = make(store, system_line=True)
    assert texts(data_set)[0] == [("Ann: lunch?", "Bob: at two"), ("fine by me",)]
    assert data_set.train[0].system == "Group chat Team."


def test_topics_of_a_forum_are_conversations_of_their_own(store: Store, say: Say) -> None:
    say((CONTACT, "a"), topic_id=1)
    say((CONTACT, "x"), topic_id=2, day=0.001)
    say((OWNER, "b one"), topic_id=1, day=0.002)
    say((OWNER, "y two"), topic_id=2, day=0.003)
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    assert texts(make(store))[:2] == [[("a",), ("b one",)], [("x",), ("y two",)]]


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
    store.chats.record_consent(5, by="Ann")
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


def test_same_turn_is_learned_a_few_times_the_newest(store: Store, say: Say) -> None:
    for day in range(6):
        say((CONTACT, f"q {day}"), (OWNER, "Haha yes" if day % 2 else "haha yes"), day=day)
    say((CONTACT, "z"), (OWNER, "newest"), day=9)
    data_set = make(store, repeats=2)
    assert [sample.turns[0].bubbles for sample in data_set.train if len(sample.turns) == 2][:2] == [("q 4",), ("q 5",)]
    assert data_set.report.left_out[Reason.REPEATED] == 4


def test_near_empty_turns_are_thinned_to_a_twentieth(store: Store, say: Say) -> None:
    for day in range(40):
        say((CONTACT, "q"), (OWNER, f"answer {day}"), (CONTACT, "r"), (OWNER, ("+", ".", "👍", "я")[day % 4]), day=day)
    say((CONTACT, "z"), (OWNER, "newest"), day=50)
    data_set = make(store)
    short = [turn for turn in supervised(data_set) if len(turn[0]) < 2]
    assert len(short) == 2
    assert data_set.report.left_out[Reason.NEAR_EMPTY] == 38


def test_age_halves_a_session_s_chance(store: Store, say: Say) -> None:
    for i in range(300):
        say((CONTACT, "q"), (OWNER, f"old {i}"), day=i * 0.3)
        say((CONTACT, "q"), (OWNER, f"new {i}"), day=1000 + i * 0.3)
    kept = [turn[0] for turn in supervised(make(store, half_life_days=1000, repeats=1000))]
    n_old, n_new = (sum(text.startswith(word) for text in kept) for word in ("old", "new"))
    assert 120 < n_old < 180
    assert n_new > 270
    again = [turn[0] for turn in supervised(make(store, half_life_days=1000, repeats=1000))]
    assert kept == again


def test_report_counts_what_there_is(store: Store, say: Say) -> None:
    for day in range(10):
        say((CONTACT, "how are you"), (OWNER, f"fine {day}"), day=day)
    data_set = make(store, held_out=0.2)
    report = describe(data_set)
    assert (report.train_samples, report.held_out_samples) == (8, 2)
    assert (report.train_turns, report.held_out_turns) == (8, 2)
    assert report.train_tokens == 8 * (1 + 5 + 4)
    assert report.supervised_tokens == 8 * 4
    assert report.lengths == {50: 10, 90: 10, 99: 10, 100: 10}
    (chat,) = report.chats
    assert (chat.title, chat.messages, chat.own_turns, chat.supervised, chat.held_out) == ("Vera", 20, 10, 8, 2)


def test_preview_marks_what_is_learned(store: Store, say: Say) -> None:
    say((CONTACT, "a"), (OWNER, "b\nc"), (OWNER, "d"))
    say((CONTACT, "z"), (OWNER, "newest"), day=5)
    assert preview(make(store, system_line=True), 1) == ["Chat with Vera.\nUser: a\nClone: ⟦b\u2028c\nd⟧"]
