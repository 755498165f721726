"""Adapters activated under load: every message is answered, and no answer is the work of two adapters."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from daemon_stage import DaemonStage
from telegram_stage import wait_until

from userbot.domain.messages import Reply, Turn
from userbot.generator.local import LocalGenerator
from userbot.loopback import LoopbackTelegram, User
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.replies import ReplyState

LINES = ("where are you?", "dinner?", "saw that match", "awful weather", "did mum call", "leaving soon")
"""Unlike each other, so that the policy does not take the friend for a bot."""


class LabellingModel:
    """Writes the name of its adapter, bubble by bubble, and takes its time between them."""

    concurrency = 1

    def __init__(self) -> None:
        self.name: str | None = "a1"
        self.activations = 0

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Any = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        bubbles = []
        for part in range(3):
            bubbles.append(f"{self.name} {part} {turns[-1].bubbles[-1]}")
            time.sleep(0.03)
        return Reply(bubbles=tuple(bubbles))

    def activate(self, folder: Path | None) -> None:
        self.name = folder.name if folder else None
        self.activations += 1

    def close(self) -> None:
        """Do nothing: it holds no memory."""


async def test_activating_under_load_drops_and_mixes_nothing(tmp_path: Path) -> None:
    async with LoopbackTelegram() as server:
        stage = await DaemonStage.set_up(server, tmp_path / "home")
        friends = [stage.vera, *(server.add_user(f"Friend {number}") for number in range(3))]
        for friend in friends[1:]:
            stage.allow(friend)
        # Four friends write the same lines and get them back, which the guard would take for secrets of each other.
        stage.settings.trust.guard = False
        shelf = AdapterShelf(stage.settings.paths.adapters)
        for name in ("a1", "a2"):
            with shelf.write(Manifest(id=name, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
                (folder / "adapter_model.safetensors").touch()
        shelf.activate("a1")
        model = LabellingModel()
        generator = LocalGenerator(model, shelf=shelf, adapter_id="a1")
        async with stage.daemon(generator):
            activating = asyncio.create_task(_activate_in_turn(shelf))
            await asyncio.gather(*(_converse(stage, friend) for friend in friends))
            await wait_until(lambda: model.activations >= 2)
            activating.cancel()
        await generator.close()

    for friend in friends:
        texts = stage.replies(friend)
        answers = [texts[index : index + 3] for index in range(0, len(texts), 3)]
        assert [answer[0].split(maxsplit=2)[2] for answer in answers] == list(LINES)
        assert all(len({text.split()[0] for text in answer}) == 1 for answer in answers)
    _check_store(stage, expected=len(friends) * len(LINES))


async def _activate_in_turn(shelf: AdapterShelf) -> None:
    while True:
        for name in ("a2", "a1"):
            await asyncio.to_thread(shelf.activate, name)
            await asyncio.sleep(0.4)


async def _converse(stage: DaemonStage, friend: User) -> None:
    for number, line in enumerate(LINES, 1):
        await stage.server.send(friend, stage.owner, line)
        await stage.heard(friend, 3 * number, timeout_s=30)


def _check_store(stage: DaemonStage, *, expected: int) -> None:
    """Each reply is recorded under the adapter that wrote it."""
    with stage.open_store() as store:
        decisions = store.replies.newest(limit=1000)
        assert len(decisions) == expected
        for decision in decisions:
            assert decision.state is ReplyState.SENT
            assert {part.text.split()[0] for part in store.replies.parts(decision.id)} == {decision.adapter_id}
