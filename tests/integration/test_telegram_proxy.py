"""Telegram through a proxy: the address in the settings reaches it as it is meant."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from socks_proxy import Socks5
from telegram_stage import Stage

from userbot.domain.errors import OfflineError
from userbot.loopback import LoopbackTelegram
from userbot.store import Store
from userbot.telegram.login import connect_for_login, read_account


@pytest.fixture
async def stage(tmp_path: Path, store: Store) -> AsyncIterator[Stage]:
    async with LoopbackTelegram() as server:
        yield Stage.set_up(server, tmp_path, store)


async def test_login_goes_through_the_proxy_with_its_name_and_password(stage: Stage) -> None:
    async with Socks5(login=("me", "p@ss:word")).serve() as proxy:
        options = replace(stage.options, proxy=f"socks5://me:p%40ss%3Aword@127.0.0.1:{proxy.port}")
        async with connect_for_login(options) as client:
            await stage.server.log_in(client, stage.owner)
            account = await read_account(client)
    assert account is not None and account.username == "owner"
    assert proxy.logins[0] == ("me", "p@ss:word")
    assert set(proxy.targets) == {(stage.server.endpoint.host, stage.server.endpoint.port)}


async def test_proxy_that_refuses_is_named_and_nothing_goes_past_it(stage: Stage) -> None:
    async with Socks5(login=("me", "right")).serve() as proxy:
        options = replace(stage.options, proxy=f"socks5://me:wrong@127.0.0.1:{proxy.port}")
        with pytest.raises(OfflineError, match="CLONE_TELEGRAM__PROXY"):
            async with connect_for_login(options):
                pass
    assert proxy.logins and not proxy.targets
    assert not stage.server.connected(stage.owner)
