"""The client: what it makes of answers that it can't read."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from typing import Any

import pytest
from telethon import TelegramClient
from telethon.errors import TypeNotFoundError
from telethon.tl import functions

from userbot.telegram.client import PatientClient
from userbot.telegram.session import ClientOptions, make_client


@pytest.fixture
async def client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PatientClient:
    async def answer(*_: Any) -> None:
        raise TypeNotFoundError(0x1234ABCD, b"see you at nine")

    monkeypatch.setattr(TelegramClient, "__call__", answer)
    return make_client(ClientOptions(session=tmp_path / "telegram.session", api_id=1, api_hash="hash"))


async def test_words_that_can_not_be_read_stand_in_no_error(client: PatientClient) -> None:
    with pytest.raises(TypeNotFoundError) as caught:
        await client(functions.users.GetUsersRequest([]))
    assert "at nine" not in "".join(traceback.format_exception(caught.value))
    assert caught.value.invalid_constructor_id == 0x1234ABCD
    client.session.close()


async def test_difference_that_can_not_be_read_is_left_to_the_reconciler(
    client: PatientClient, caplog: pytest.LogCaptureFixture
) -> None:
    gaps: list[None] = []
    client.on_gap = lambda: gaps.append(None)
    with caplog.at_level(logging.INFO), pytest.raises(ValueError, match="can't be read"):
        await client(functions.updates.GetDifferenceRequest(pts=1, date=None, qts=0))
    assert len(gaps) == 1 and client.caught_up.is_set()
    assert "1234abcd" in caplog.text and "at nine" not in caplog.text
    client.session.close()
