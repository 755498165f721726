"""Sixteen chats that wait for an answer: the model is asked for all of them at once, and each gets its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from daemon_stage import DaemonStage

from userbot.domain.messages import Reply, Turn
from userbot.generator.local import LocalGenerator
from userbot.loopback import LoopbackTelegram
from userbot.store.adapters import AdapterShelf

CHATS = 16
_PATIENCE_S = 20.0


class TogetherModel:
    """Writes no reply before it is asked for all of them, or a while has passed."""

    concurrency = CHATS

    def __init__(self) -> None:
        self.most = 0
        self._asked = 0
        self._condition = threading.Condition()

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Any = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        with self._condition:
            self._asked += 1
            self.most = max(self.most, self._asked)
            self._condition.notify_all()
            self._condition.wait_for(lambda: self.most == CHATS, timeout=_PATIENCE_S)
            self._asked -= 1
        return Reply(bubbles=(f"to {turns[-1].bubbles[-1]}",))

    def activate(self, folder: Path | None) -> None:
        """Do nothing: there is no adapter."""

    def close(self) -> None:
        """Do nothing: it holds no memory."""


async def test_sixteen_waiting_chats_are_written_at_once(tmp_path: Path) -> None:
    async with LoopbackTelegram() as server:
        stage = await DaemonStage.set_up(server, tmp_path / "home")
        friends = [stage.vera, *(server.add_user(f"Friend {number}") for number in range(CHATS - 1))]
        for friend in friends[1:]:
            stage.allow(friend)
        model = TogetherModel()
        generator = LocalGenerator(model, shelf=AdapterShelf(stage.settings.paths.adapters))
        async with stage.daemon(generator):
            await asyncio.gather(
                *(
                    server.send(friend, stage.owner, f"what about number {number}?")
                    for number, friend in enumerate(friends)
                )
            )
            await asyncio.gather(*(stage.heard(friend, 1, timeout_s=60) for friend in friends))
        await generator.close()
    assert model.most == CHATS
    assert [stage.replies(friend) for friend in friends] == [
        [f"to what about number {number}?"] for number in range(CHATS)
    ]
