"""Logging in, by real Telethon against the loopback Telegram."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from telegram_stage import PHONE, Stage

from userbot.domain.errors import FloodError, LoginError, OfflineError, SessionBusyError
from userbot.loopback import LoopbackTelegram
from userbot.store import Store
from userbot.telegram.account import TelegramAccount
from userbot.telegram.login import Ask, connect_for_login, log_out, login, login_by_qr, read_account


@pytest.fixture
async def stage(tmp_path: Path, store: Store) -> AsyncIterator[Stage]:
    async with LoopbackTelegram() as server:
        yield Stage.set_up(server, tmp_path, store)


class Person:
    """Answers the questions of a login, one prepared answer after the other."""

    def __init__(
        self, *, phones: tuple[str, ...] = (PHONE,), codes: tuple[str, ...] = (), passwords: tuple[str, ...] = ()
    ):
        self.notes: list[str] = []
        self.ask_phone = self._asker(iter(phones))
        self.ask_code = self._asker(iter(codes))
        self.ask_password = self._asker(iter(passwords))

    def _asker(self, answers: Iterator[str]) -> Ask:
        async def ask() -> str:
            return next(answers)

        return ask


async def log_in(stage: Stage, person: Person) -> str:
    async with connect_for_login(stage.options) as client:
        account = await login(
            client,
            ask_phone=person.ask_phone,
            ask_code=person.ask_code,
            ask_password=person.ask_password,
            show=person.notes.append,
        )
    return account.name


async def test_the_code_logs_in_and_the_session_lasts(stage: Stage) -> None:
    assert await log_in(stage, Person(codes=("12 345",))) == "Owner"
    assert stat.S_IMODE(stage.options.session.stat().st_mode) == 0o600
    async with connect_for_login(stage.options) as client:
        account = await read_account(client)
        assert account is not None
        assert (account.id, account.username) == (stage.owner.user_id, "owner")
        assert await login(client, ask_phone=never, ask_code=never, ask_password=never, show=print) == account


async def never() -> str:
    raise AssertionError("nothing should be asked")


async def test_a_wrong_code_is_asked_for_again(stage: Stage) -> None:
    person = Person(phones=("no number", PHONE), codes=("00000", "12345"))
    assert await log_in(stage, person) == "Owner"
    assert person.notes == [
        "That is not a phone number. Write it with the country code, such as +1 555 0100.",
        "Telegram has sent a code to your other devices, as a message from Telegram.",
        "The code was wrong. Try again.",
    ]


async def test_three_wrong_codes_end_the_login(stage: Stage) -> None:
    with pytest.raises(LoginError) as caught:
        await log_in(stage, Person(codes=("00000", "1", "")))
    assert str(caught.value) == "The code was wrong 3 times. Wait for a new one, then: clone login"


async def test_an_unknown_number_has_no_account(stage: Stage) -> None:
    with pytest.raises(LoginError) as caught:
        await log_in(stage, Person(phones=("+10000000009",), codes=("12345",)))
    assert str(caught.value) == "No Telegram account has this number. Create one in a Telegram app first."


async def test_the_password_is_asked_for_until_it_is_right(stage: Stage) -> None:
    stage.owner.password = "correct horse"
    person = Person(codes=("12345",), passwords=("wrong", "correct horse"))
    assert await log_in(stage, person) == "Owner"
    assert person.notes[1:] == ["This account has a two-step password.", "The password was wrong. Try again."]


async def test_three_wrong_passwords_end_the_login(stage: Stage) -> None:
    stage.owner.password = "correct horse"
    with pytest.raises(LoginError) as caught:
        await log_in(stage, Person(codes=("12345",), passwords=("wrong", "", "battery")))
    assert str(caught.value) == (
        "The two-step password was wrong 3 times. Telegram's apps can reset it under Settings, Privacy and Security; "
        "then: clone login"
    )


async def test_a_flood_wait_ends_the_login_with_its_length(stage: Stage) -> None:
    stage.server.faults.flood_wait("auth.sendCode", 600)
    with pytest.raises(FloodError) as caught:
        await log_in(stage, Person())
    assert caught.value.wait_s == 600


@pytest.mark.parametrize("password", [None, "correct horse"])
async def test_a_qr_code_logs_in_after_one_has_expired(stage: Stage, password: str | None) -> None:
    stage.owner.password = password
    person = Person(passwords=("correct horse",))
    shown: asyncio.Queue[str] = asyncio.Queue()
    async with connect_for_login(stage.options) as client:
        waiting = asyncio.create_task(
            login_by_qr(
                client,
                show_code=shown.put_nowait,
                ask_password=person.ask_password,
                show=person.notes.append,
                code_timeout_s=0.2,
            )
        )
        assert (await shown.get()).startswith("tg://login?token=")
        await stage.server.accept_login(await shown.get(), stage.owner)
        assert (await waiting).id == stage.owner.user_id


async def test_logging_out_removes_the_session(stage: Stage) -> None:
    await stage.log_in()
    async with connect_for_login(stage.options) as client:
        await log_out(client)
    assert not stage.options.session.exists()
    with pytest.raises(LoginError) as caught:
        async with TelegramAccount.open(stage.options):
            pass
    assert str(caught.value) == "Nobody is logged in to Telegram yet. Log in: clone login"


async def test_a_session_in_use_is_not_opened_twice(stage: Stage) -> None:
    await stage.log_in()
    async with stage.account(supervised=False):
        with pytest.raises(SessionBusyError, match="uses the Telegram session"):
            async with connect_for_login(stage.options):
                pass


async def test_no_server_means_offline(stage: Stage) -> None:
    await stage.server.stop()
    with pytest.raises(OfflineError, match="No connection to Telegram: could not connect"):
        async with connect_for_login(stage.options):
            pass
