"""A home folder that an older version left: database, adapters, a comparison, a stopped run."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from training.config import TrainConfig
from training.judging.record import read_comparison, write_report
from training.run.pipeline import resume
from userbot.config.home import HomePaths
from userbot.daemon.status import read_status
from userbot.domain.errors import TrainingStoppedError
from userbot.domain.messages import Mode, Origin, Turn
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.decisions import ReplyState
from userbot.store.facts import (
    DAEMON,
    OWN_DRAFTS,
    OWNER_ID,
    OWNER_NAME,
    PULL,
    RETRAIN_SEEN_AT,
    RETRAIN_WISH,
    TRAINING,
    PullMark,
    pull_mark,
    reconciled_up_to,
)
from userbot.trust.forget import forget

LEFT = Path(__file__).parents[1] / "support" / "fixtures" / "before"
FRIEND = 999_000_000_011
FIRST, SECOND = "20261125-170546-d23b", "20261125-170614-aab9"
STOPPED = "20261125-170628-8c73"


@pytest.fixture
def paths(tmp_path: Path) -> HomePaths:
    shutil.copytree(LEFT, tmp_path / "home")
    return HomePaths(tmp_path / "home")


@pytest.fixture
def old_store(paths: HomePaths) -> Iterator[Store]:
    with Store.open(paths.database) as store:
        yield store


def test_chats_messages_and_replies_are_there(old_store: Store) -> None:
    friend = old_store.chats.get(FRIEND)
    assert friend is not None
    assert (friend.mode, friend.consent_by) == (Mode.AUTO, "an invented person")
    assert [named.name for named in friend.prompt_names] == [friend.title] and old_store.chats.renamed() == []
    assert [message.origin for message in old_store.messages.window(FRIEND, limit=2)] == [Origin.CLONE, Origin.CLONE]
    [newest] = old_store.replies.newest()
    assert (newest.chat_id, newest.state) == (FRIEND, ReplyState.SENT)
    assert [(one.verb, one.argument) for one in old_store.commands.waiting()] == [("pause", "2h")]


def test_consents_are_carried_over_into_the_ledger_of_the_account(old_store: Store) -> None:
    rows = old_store.consents.history()
    assert {(one.account_id, one.action, one.origin) for one in rows} == {(999_000_000_001, "given", "carried over")}
    assert {one.chat_id for one in rows} == {one.id for one in old_store.chats.all() if one.consent_at is not None}
    assert old_store.consents.state(FRIEND).stands
    old_store.facts.set(OWNER_ID, 5)
    assert not old_store.consents.consented(FRIEND)


def test_facts_are_read_with_their_types(old_store: Store) -> None:
    facts = old_store.facts
    assert (facts.get(OWNER_ID), facts.get(OWNER_NAME)) == (999_000_000_001, "Lev Sokolov")
    assert facts.get(OWN_DRAFTS) == {999_000_000_012: "черновик"}
    assert facts.get(RETRAIN_SEEN_AT) == datetime(2026, 11, 25, 16, 30, tzinfo=UTC)
    assert facts.get(pull_mark(FRIEND)) == PullMark(newest=100, oldest=5, done=True)
    assert facts.get(reconciled_up_to(FRIEND)) == 1_000_010
    daemon, pull = facts.get(DAEMON), facts.get(PULL)
    training, wish = facts.get(TRAINING), facts.get(RETRAIN_WISH)
    assert daemon is not None and daemon.state == "stopped"
    assert pull is not None and (pull.running, pull.text) == (False, "7 new messages from 1 chats.")
    assert training is not None and (training.state, training.adapter_id, training.step) == ("promoted", SECOND, 3)
    assert wish is not None and wish.waits == "it is not between 01:00 and 06:00"


def test_status_tells_what_was_left(old_store: Store, paths: HomePaths) -> None:
    told = read_status(old_store, AdapterShelf(paths.adapters)).to_text()
    assert f"Adapter: {SECOND}" in told
    assert "Training waits (it is time): it is not between 01:00 and 06:00" in told
    assert "Everything is paused until" in told


def test_settings_of_an_adapter_are_read_under_their_former_names_and_values(paths: HomePaths) -> None:
    config = TrainConfig.model_validate(AdapterShelf(paths.adapters).get(FIRST).config)
    assert (config.attention, config.max_pack_tokens, config.data.session_gap_h) == ("per_sample", 1024, 3.0)


def test_adapters_answer_and_are_activated(paths: HomePaths) -> None:
    from training.serving.clone_model import CloneModel

    shelf = AdapterShelf(paths.adapters)
    active = shelf.active()
    assert active is not None and shelf.verify(active.id).id == SECOND
    model = CloneModel.load(None, shelf.path(SECOND), models_dir=paths.models)
    assert model.reply([Turn(False, ("привет",))]).adapter_id == SECOND
    assert shelf.roll_back().id == FIRST
    model.activate(shelf.path(FIRST))
    assert model.reply([Turn(False, ("привет",))]).adapter_id == FIRST


def test_comparison_makes_a_report(old_store: Store, paths: HomePaths) -> None:
    found = read_comparison(paths.report(SECOND))
    assert found is not None and found[0].passed and len(found[1]) == 2
    assert write_report(old_store, paths, SECOND).is_file()


def test_stopped_training_continues_where_it_was(old_store: Store, paths: HomePaths) -> None:
    asked = iter(range(100))
    with pytest.raises(TrainingStoppedError, match=r"^Training stopped after 3 of 75 updates\."):
        # One update of this run is one forward pass.
        resume(old_store, paths, should_stop=lambda: next(asked) > 0)


def test_a_chat_that_an_older_version_stored_is_forgotten(old_store: Store, paths: HomePaths) -> None:
    friend = old_store.chats.get(FRIEND)
    assert friend is not None
    said = [message.text.encode() for message in old_store.messages.history(FRIEND) if len(message.text) > 12]
    assert said
    done = forget(old_store, paths, friend)
    assert done.messages >= len(said) and {FIRST, SECOND} & set(done.learned)
    files = {path: path.read_bytes() for path in paths.home.rglob("*") if path.is_file()}
    assert [path for path, content in files.items() if any(text in content for text in said)] == []
    assert [path for path in paths.runs.glob("*") if (path / "checkpoint.pt").exists()] == []
