"""Updates that the loopback server does not send, as events."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest
from telethon.tl import types

from userbot.domain.events import Arrived, Edited, Event, OwnerActive, Renamed
from userbot.domain.messages import Origin
from userbot.telegram.client import PatientClient
from userbot.telegram.traces import OwnTraces
from userbot.telegram.updates import UpdateReader

ME, VERA = 1, 101
AT = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


class FakeClient:
    """Hands updates to the handler that was added; knows no chat."""

    def __init__(self) -> None:
        self.handle: Callable[[Any], Awaitable[None]]

    def add_event_handler(self, handler: Callable[[Any], Awaitable[None]], _builder: Any) -> None:
        self.handle = handler

    async def get_entity(self, _peer: Any) -> Any:
        raise ValueError("not known")


class Reading:
    """A reader with its client, what it emitted, and how often it noticed a gap."""

    def __init__(self) -> None:
        self.client = FakeClient()
        self.events: list[Event] = []
        self.gaps: list[None] = []
        self.reader = UpdateReader(
            cast(PatientClient, self.client),
            self.events.append,
            traces=OwnTraces(),
            on_gap=lambda: self.gaps.append(None),
        )
        self.reader.attach()
        self.reader.begin(ME)

    async def read(self, update: Any, *entities: Any) -> list[Event]:
        update._entities = {entity.id: entity for entity in entities}
        self.events.clear()
        await self.client.handle(update)
        return self.events


@pytest.fixture
def reading() -> Reading:
    return Reading()


def vera(**fields: Any) -> Any:
    return types.User(**{"id": VERA, "first_name": "Vera", "access_hash": 9, **fields})


def new(message_id: int = 7, text: str = "hi", **fields: Any) -> Any:
    message = types.Message(message_id, types.PeerUser(VERA), date=AT, message=text, **fields)
    return types.UpdateNewMessage(message, 1, 1)


def edit(text: str, **fields: Any) -> Any:
    return types.UpdateEditMessage(types.Message(7, types.PeerUser(VERA), date=AT, message=text, **fields), 2, 1)


async def test_the_short_form_of_a_message_uses_the_chat_that_is_known(reading: Reading) -> None:
    await reading.read(new(), vera())
    short = types.UpdateShortMessage(8, VERA, "and", 2, 1, AT)
    mine = types.UpdateShortMessage(9, VERA, "mine", 3, 1, AT, out=True)
    events = [*await reading.read(short), *await reading.read(mine)]
    assert [(e.chat.title, e.message.text, e.message.origin) for e in events if isinstance(e, Arrived)] == [
        ("Vera", "and", Origin.CONTACT),
        ("Vera", "mine", Origin.OWNER),
    ]


async def test_a_message_of_a_chat_that_can_not_be_found_is_left_to_the_reconciler(reading: Reading) -> None:
    assert await reading.read(new()) == []
    assert len(reading.gaps) == 1


async def test_an_update_that_can_not_be_read_does_not_stop_the_next(reading: Reading) -> None:
    assert await reading.read(types.UpdateNewMessage(types.Message(7, None, date=AT, message="?"), 1, 1)) == []
    assert len(reading.gaps) == 1
    assert len(await reading.read(new(), vera())) == 1


async def test_a_reaction_or_a_preview_is_no_edit(reading: Reading) -> None:
    await reading.read(new(), vera())
    assert await reading.read(edit("hi", edit_date=AT)) == []
    assert await reading.read(edit("hello", edit_date=AT, edit_hide=True)) == []
    (changed,) = await reading.read(edit("hello", edit_date=AT))
    assert isinstance(changed, Edited)
    assert changed.message.text == "hello"
    assert await reading.read(edit("hello", edit_date=AT)) == []


async def test_a_sparse_entity_does_not_take_the_access_hash_away(reading: Reading) -> None:
    await reading.read(new(), vera())
    (event,) = await reading.read(new(8), vera(min=True, access_hash=5))
    assert isinstance(event, Arrived)
    assert event.chat.access_hash == 9


@pytest.mark.parametrize(
    "update",
    [
        types.UpdateReadHistoryInbox(types.PeerUser(VERA), 7, 0, 1, 1),
        types.UpdateDraftMessage(types.PeerUser(VERA), types.DraftMessage("perhaps", AT)),
    ],
)
async def test_reads_and_drafts_of_an_earlier_run_are_nobodys(reading: Reading, update: Any) -> None:
    assert [type(event) for event in await reading.read(update)] == [OwnerActive]
    update.is_replay = True
    assert await reading.read(update) == []


async def test_what_is_scheduled_comes_as_automatic(reading: Reading) -> None:
    (event,) = await reading.read(new(out=True, from_scheduled=True), vera())
    assert isinstance(event, Arrived)
    assert (event.automatic, event.message.origin) == (True, Origin.OWNER)


async def test_new_name_and_lost_username_are_told() -> None:
    reading = Reading()
    names = [types.Username("old", active=False), types.Username("mama", active=True)]
    await reading.client.handle(types.UpdateUserName(VERA, "Mama", "", names))
    await reading.client.handle(types.UpdateUserName(VERA, "Mama", "M", []))
    await reading.client.handle(types.UpdateUserName(ME, "Me", "", []))
    assert reading.events == [
        Renamed(chat_id=VERA, title="Mama", username="mama"), Renamed(chat_id=VERA, title="Mama M", username=None),
    ]  # fmt: skip


async def test_username_belongs_to_whoever_was_seen_with_it_last() -> None:
    reading = Reading()
    learn = reading.reader.learn
    assert learn(types.User(VERA, first_name="Vera", username="vera", access_hash=1)).username == "vera"
    assert learn(types.User(VERA, first_name="Vera", min=True, access_hash=2)).username == "vera"
    assert learn(types.User(102, first_name="Thief", username="VERA", access_hash=1)).username == "VERA"
    assert learn(types.User(VERA, first_name="Vera", min=True, access_hash=2)).username is None
