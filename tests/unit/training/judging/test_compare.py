"""A comparison's prompts: held-out contexts with the owner's real answers, the same for both adapters."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes import START, bubble

from training.data.samples import DataReport, DataSet, Sample
from training.judging.compare import EvalPrompt, list_prompts, list_supervised, make_eval_set
from userbot.domain.errors import TooLittleDataError
from userbot.domain.messages import Chat, Origin, Turn
from userbot.store import Store
from userbot.store.adapters import Manifest

DAY_S = 86_400.0


def sample(number: int, *, first_supervised: bool = True) -> Sample:
    """Make a conversation of two questions and two answers."""
    turns = (
        Turn(False, (f"q{number}",)),
        Turn(True, (f"a{number}",)),
        Turn(False, (f"and {number}?", "well?")),
        Turn(True, (f"b{number}", "yes")),
    )
    return Sample(turns, (False, first_supervised, False, True), "Vera is a friend.", 101, START)


def test_each_supervised_answer_makes_a_prompt_of_what_went_before() -> None:
    one = sample(1)

    assert list_prompts([one], limit=10) == (
        EvalPrompt(one.turns[:1], one.system, ("a1",)),
        EvalPrompt(one.turns[:3], one.system, ("b1", "yes")),
    )


def test_what_is_not_supervised_makes_no_prompt() -> None:
    assert [prompt.owner for prompt in list_prompts([sample(1, first_supervised=False)], limit=10)] == [("b1", "yes")]


def test_openers_of_the_owner_make_no_prompt() -> None:
    opener = Sample((Turn(True, ("hi",)),), (True,), None, 101, START)

    assert list_prompts([opener], limit=10) == ()


def test_a_limit_spreads_over_all_conversations() -> None:
    prompts = list_prompts([sample(number, first_supervised=False) for number in range(10)], limit=5)

    assert [prompt.owner[0] for prompt in prompts] == ["b0", "b2", "b4", "b6", "b8"]


def test_supervised_turns_are_those_of_the_training_samples() -> None:
    data = DataSet((sample(1), sample(2, first_supervised=False)), (sample(3),), DataReport())

    assert list_supervised(data) == (("a1",), ("b1", "yes"), ("b2", "yes"))


@pytest.fixture
def talked(store: Store, friend: Chat) -> Store:
    """Store a conversation a day, ids 10 a day."""
    store.consents.give(friend.id, by="Vera")
    for day in range(1, 41):
        store.messages.add(
            bubble(
                day * 10 + index,
                f"text {day * 10 + index}",
                origin=Origin.OWNER if index % 2 else Origin.CONTACT,
                at_s=day * DAY_S + index * 30,
            )
            for index in range(4)
        )
    return store


def manifest(last_id: int, **gate: Any) -> Manifest:
    data = {"train": {"chats": {"101": {"first_id": 1, "last_id": last_id}}}}
    config = {"data": {"min_turns": 1, "chat_share": 1.0}, "gate": gate}
    return Manifest(
        id="a1", base="tiny", created_at="2026-01-05T12:00:00+00:00", text_format="chat", config=config, data=data
    )


def test_what_either_adapter_was_trained_on_makes_no_prompt(talked: Store, tmp_path: Path) -> None:
    both = make_eval_set(talked, manifest(300), manifest(393), models=tmp_path)
    alone = make_eval_set(talked, manifest(300), None, models=tmp_path)

    assert [sample.turns[-1].messages[-1].id for sample in both.held_out] == [403]
    assert len(alone.held_out) == 4
    assert len(both.prompts) == 2


def test_no_prompt_left_is_an_error(talked: Store, tmp_path: Path) -> None:
    with pytest.raises(TooLittleDataError) as caught:
        make_eval_set(talked, manifest(500), None, models=tmp_path)

    assert str(caught.value) == (
        "No held-out conversation is left that neither a1 nor the active adapter was trained on. Raise "
        "data.held_out, or train afresh: clone train"
    )
