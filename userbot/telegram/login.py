"""Log in by code or by QR code, with the two-step password if the account has one; log out."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from telethon import errors
from telethon.utils import get_display_name, parse_phone

from userbot.domain.errors import LoginError, TelegramError
from userbot.telegram.client import PatientClient
from userbot.telegram.errors import translated
from userbot.telegram.session import ClientOptions, SessionLock, make_client

Ask = Callable[[], Awaitable[str]]

TRIES_MAX = 3
# Telegram's tokens live for about half a minute, so this is five minutes of showing codes.
QR_CODES_MAX = 10

_RECONNECTS = 3

_CODE_WRONG = (errors.PhoneCodeInvalidError, errors.PhoneCodeEmptyError, errors.PhoneCodeHashEmptyError)
_PASSWORD_WRONG = (errors.PasswordHashInvalidError, errors.PasswordEmptyError)
_TOO_OFTEN = (errors.PhoneNumberFloodError, errors.PhonePasswordFloodError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Who is logged in.

    Args:
        id: Telegram user id.
        name: First and last name.
        username: Public name without the @; None without one.
    """

    id: int
    name: str
    username: str | None


@asynccontextmanager
async def connect_for_login(options: ClientOptions) -> AsyncIterator[PatientClient]:
    """Lock the session and yield a connected client, logged in or not; disconnect at the end.

    Args:
        options: How to reach Telegram.

    Raises:
        ConfigError: The api id or hash is missing.
        SessionBusyError: Another process uses the session.
        OfflineError: Telegram can't be reached.
    """
    with SessionLock(options.session):
        # Nothing is lost when Telethon itself reconnects here, and a person may take minutes to find the code.
        client = make_client(options, reconnects=_RECONNECTS)
        try:
            with translated("connect"):
                await client.connect()
            yield client
        finally:
            await client.disconnect()


async def read_account(client: PatientClient) -> Account | None:
    """Return who is logged in; None when nobody is.

    Args:
        client: Connected.

    Raises:
        OfflineError: Telegram can't be reached.
    """
    with translated("read the account"):
        me = await client.get_me()
    return None if me is None else _account(me)


async def login(
    client: PatientClient, *, ask_phone: Ask, ask_code: Ask, ask_password: Ask, show: Callable[[str], None]
) -> Account:
    """Log in by phone number, code and, where the account has one, password; each is asked for again when wrong.

    Args:
        client: Connected.
        ask_phone: Returns the phone number in international form.
        ask_code: Returns the code that Telegram sent.
        ask_password: Returns the two-step password.
        show: Called with notes for the person, such as "The code was wrong".

    Returns:
        Who is logged in now, or was already.

    Raises:
        LoginError: Something was wrong three times, or Telegram refuses the number.
        FloodError: Telegram asks to wait before the next try.
    """
    known = await read_account(client)
    if known is not None:
        return known
    with translated("log in"):
        phone = await _send_code(client, ask_phone, show)
        try:
            return _account(await _enter_code(client, phone, ask_code=ask_code, show=show))
        except errors.SessionPasswordNeededError:
            return _account(await _enter_password(client, ask_password, show))


async def login_by_qr(
    client: PatientClient,
    *,
    show_code: Callable[[str], None],
    ask_password: Ask,
    show: Callable[[str], None],
    code_timeout_s: float | None = None,
) -> Account:
    """Log in by a QR code that another device of the owner scans; a code that expires is replaced.

    Args:
        client: Connected.
        show_code: Shows a `tg://login?…` address as a QR code; called again for each new one.
        ask_password: Returns the two-step password.
        show: Called with notes for the person.
        code_timeout_s: Seconds after which a code is replaced; None waits until it expires.

    Returns:
        Who is logged in now, or was already.

    Raises:
        LoginError: Nobody scanned any of ten codes, or the password was wrong three times.
        FloodError: Telegram asks to wait before the next try.
    """
    known = await read_account(client)
    if known is not None:
        return known
    with translated("log in"):
        try:
            return _account(await _wait_for_scan(client, show_code, timeout_s=code_timeout_s))
        except errors.SessionPasswordNeededError:
            return _account(await _enter_password(client, ask_password, show))


async def log_out(client: PatientClient) -> None:
    """End the session at Telegram and delete its file.

    Args:
        client: Connected and logged in.

    Raises:
        TelegramError: Telegram did not end it; the file stays.
    """
    with translated("log out"):
        done = await client.log_out()
    if not done:
        raise TelegramError(
            "Telegram did not end the session. End it in Telegram: Settings, Devices; then remove the session file."
        )


async def _send_code(client: PatientClient, ask_phone: Ask, show: Callable[[str], None]) -> str:
    for left in reversed(range(TRIES_MAX)):
        phone = await ask_phone()
        try:
            if parse_phone(phone) is None:
                raise errors.PhoneNumberInvalidError(None)
            await client.send_code_request(phone)
        except errors.PhoneNumberInvalidError:
            if left:
                show("That is not a phone number. Write it with the country code, such as +1 555 0100.")
        except errors.PhoneNumberBannedError as exc:
            raise LoginError("Telegram has banned this number. Write to recover@telegram.org.") from exc
        except _TOO_OFTEN as exc:
            raise LoginError("Too many tries with this number. Wait a day, then: clone login") from exc
        else:
            show("Telegram has sent a code to your other devices, as a message from Telegram.")
            return phone
    raise LoginError(f"No phone number after {TRIES_MAX} tries. Write it with the country code: clone login")


async def _enter_code(client: PatientClient, phone: str, *, ask_code: Ask, show: Callable[[str], None]) -> Any:
    for left in reversed(range(TRIES_MAX)):
        code = "".join((await ask_code()).split())
        try:
            return await client.sign_in(phone, code or "0")
        except _CODE_WRONG:
            if left:
                show("The code was wrong. Try again.")
        except errors.PhoneCodeExpiredError:
            if left:
                await client.send_code_request(phone)
                show("The code had expired. Telegram has sent a new one.")
        except errors.PhoneNumberUnoccupiedError as exc:
            raise LoginError("No Telegram account has this number. Create one in a Telegram app first.") from exc
    raise LoginError(f"The code was wrong {TRIES_MAX} times. Wait for a new one, then: clone login")


async def _enter_password(client: PatientClient, ask_password: Ask, show: Callable[[str], None]) -> Any:
    show("This account has a two-step password.")
    for left in reversed(range(TRIES_MAX)):
        try:
            return await client.sign_in(password=await ask_password() or " ")
        except _PASSWORD_WRONG:
            if left:
                show("The password was wrong. Try again.")
        except _TOO_OFTEN as exc:
            raise LoginError("Too many wrong passwords. Wait a day, then: clone login") from exc
    raise LoginError(
        f"The two-step password was wrong {TRIES_MAX} times. Telegram's apps can reset it under Settings, Privacy "
        f"and Security; then: clone login"
    )


async def _wait_for_scan(client: PatientClient, show_code: Callable[[str], None], *, timeout_s: float | None) -> Any:
    shown = await client.qr_login()
    for left in reversed(range(QR_CODES_MAX)):
        show_code(shown.url)
        try:
            return await shown.wait(timeout_s)
        except TimeoutError:
            if left:
                await shown.recreate()
    raise LoginError(f"Nobody scanned any of {QR_CODES_MAX} codes. Try again, or log in by phone: clone login")


def _account(user: Any) -> Account:
    return Account(id=user.id, name=get_display_name(user), username=user.username)
