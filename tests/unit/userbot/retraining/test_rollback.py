"""The proposal of a rollback: made when more is taken back than before, once, and not by chance."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest
from fakes import START, bubble

from userbot.domain.messages import Chat, Origin
from userbot.retraining.rollback import Regrets, is_worse, propose_rollback
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.replies import Bubble, Decision, ReplyState

_numbers = count(1)


@pytest.fixture
def shelf(tmp_path: Path) -> AdapterShelf:
    made = AdapterShelf(tmp_path / "adapters")
    for name in ("old", "new"):
        with made.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
            (folder / "adapter_model.safetensors").write_bytes(b"x")
        made.activate(name)
    return made


def answer(store: Store, adapter: str, replies: int, *, undone: int = 0, deleted: int = 0) -> None:
    """Let an adapter answer so often; the owner undoes some replies and deletes others."""
    for index in range(replies):
        number = next(_numbers) * 10
        decision = store.replies.decide(
            Decision(chat_id=101, trigger_id=number, state=ReplyState.QUEUED, adapter_id=adapter),
            [Bubble(text="ok", random_id=number, due_at=START)],
        )
        assert decision is not None
        item = store.replies.parts(decision.id)[0]
        store.replies.mark_sent(item, bubble(number + 1, "ok", origin=Origin.CLONE))
        if index < undone:
            store.replies.set_state(decision.id, ReplyState.UNDONE)
        elif index < undone + deleted:
            store.messages.mark_deleted(101, [number + 1])


def test_more_replies_taken_back_than_before_are_reported_once(store: Store, friend: Chat, shelf: AdapterShelf) -> None:
    answer(store, "old", 50, undone=1)
    answer(store, "new", 40, undone=4, deleted=5)

    proposal = propose_rollback(store, shelf, min_replies=40)

    assert proposal == (
        "Since adapter new took over you have taken back 9 of its 40 replies; of the 50 before, by old, it was 1. "
        "To go back to that one: /clone rollback"
    )
    assert propose_rollback(store, shelf, min_replies=40) is None


def test_too_few_replies_say_nothing(store: Store, friend: Chat, shelf: AdapterShelf) -> None:
    answer(store, "old", 50)
    answer(store, "new", 20, undone=10)

    assert propose_rollback(store, shelf, min_replies=40) is None


def test_a_first_adapter_has_nothing_to_go_back_to(store: Store, friend: Chat, tmp_path: Path) -> None:
    lone = AdapterShelf(tmp_path / "lone")
    with lone.write(Manifest(id="only", base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").write_bytes(b"x")
    lone.activate("only")
    answer(store, "only", 50, undone=50)

    assert propose_rollback(store, lone, min_replies=10) is None


@pytest.mark.parametrize(
    ("new", "old", "expected"),
    [
        (Regrets(40, 8), Regrets(100, 3), True),
        (Regrets(40, 2), Regrets(100, 0), False),
        (Regrets(40, 4), Regrets(100, 8), False),
        (Regrets(40, 40), Regrets(100, 100), False),
        (Regrets(40, 3), Regrets(0, 0), False),
    ],
)
def test_chance_is_not_taken_for_a_difference(new: Regrets, old: Regrets, expected: bool) -> None:
    assert is_worse(new, old) is expected
