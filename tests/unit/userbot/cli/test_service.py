"""Commands on the account and the daemon, without either: what they find, show and pass on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Clone
from daemon_fakes import FakeAccount

from userbot.cli.service import find_chats
from userbot.config.settings import load_settings
from userbot.daemon.schedule import Job, Schedule
from userbot.domain.errors import ChatNotFoundError, ConfigError, NoAdapterError
from userbot.domain.messages import Chat, ChatKind
from userbot.store import Store

ANN = Chat(id=5, kind=ChatKind.PRIVATE, title="Ann", username="ann")
OTHER_ANN = Chat(id=6, kind=ChatKind.PRIVATE, title="Ann")


async def test_chats_to_pull_are_found_at_telegram_and_in_the_store(store: Store, friend: Chat) -> None:
    chats = await find_chats(FakeAccount(ANN, OTHER_ANN), store, ["@ann", "vera"])
    assert [chat.id for chat in chats] == [ANN.id, friend.id]
    assert store.chats.get(ANN.id) is not None and store.chats.get(OTHER_ANN.id) is None


async def test_name_that_fits_several_chats_pulls_none(store: Store) -> None:
    with pytest.raises(ChatNotFoundError, match="2 chats fit 'Ann'"):
        await find_chats(FakeAccount(OTHER_ANN, replace(OTHER_ANN, id=8)), store, ["Ann"])
    assert store.chats.all() == []


def test_owners_commands_are_passed_on_with_their_words(clone: Clone, store: Store, friend: Chat) -> None:
    assert "nobody is answered" in clone("status")
    assert clone("pause", "2h", "vera").startswith("Vera (id 101, @vera) is paused until ")
    assert clone("resume", "vera") == "Vera (id 101, @vera) is answered again, if it is allowed.\n"
    assert clone("pause").startswith("Paused until you resume")
    assert clone("resume").startswith("The pause of all chats is over.")
    assert clone("why") == "There is no answer yet.\n"


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("undo",), "Only the running daemon can delete messages"),
        (("retrain",), "so train with `clone train`"),
        (("retrain", "--stop"), "The daemon does not run"),
    ],
)
def test_what_needs_the_daemon_is_refused_without_it(clone: Clone, arguments: tuple[str, ...], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        clone(*arguments)


async def _do_nothing() -> None:
    return None


async def test_schedule_shows_what_comes_next(clone: Clone, home: Path) -> None:
    assert "Nothing is scheduled yet" in clone("schedule")
    schedule = Schedule(load_settings(home).paths.schedule, [Job(name="back up", run=_do_nothing, cron="0 4 1 1 *")])
    schedule.start()
    await schedule.stop()
    assert clone("schedule").endswith(" 01 Jan 04:00  back up\n")


def test_run_refuses_to_start_without_an_adapter(clone: Clone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("userbot.daemon.logs.set_up_logging", lambda *_: None)
    with pytest.raises(NoAdapterError):
        clone("run")


def test_login_without_an_api_key_says_where_to_get_one(clone: Clone) -> None:
    with pytest.raises(ConfigError, match=r"my\.telegram\.org"):
        clone("login")
