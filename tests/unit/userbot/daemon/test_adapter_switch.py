"""The generator follows the active adapter, and a failure keeps the one that writes."""

from __future__ import annotations

import logging

import pytest
from fakes_reply import ScriptedGenerator

from userbot.daemon.adapter_switch import AdapterSwitch
from userbot.domain.errors import AdapterDamagedError, GeneratorUnavailableError
from userbot.store.adapters import AdapterShelf, Manifest
from userbot.store.thread import StoreThread


class RefusingGenerator(ScriptedGenerator):
    """Refuses to activate an adapter as often as there are failures."""

    def __init__(self, *failures: Exception) -> None:
        super().__init__()
        self.failures = list(failures)
        self.tried: list[str | None] = []

    async def activate(self, adapter_id: str | None) -> None:
        self.tried.append(adapter_id)
        if self.failures:
            raise self.failures.pop(0)
        await super().activate(adapter_id)


def _activate(shelf: AdapterShelf, adapter_id: str) -> None:
    with shelf.write(Manifest(id=adapter_id, base="tiny", created_at="2026-01-05T12:00:00+00:00")) as folder:
        (folder / "adapter_model.safetensors").touch()
    shelf.activate(adapter_id)


async def test_newly_active_adapter_is_loaded_once(shelf: AdapterShelf, thread: StoreThread) -> None:
    generator = RefusingGenerator()
    switch = AdapterSwitch(generator, shelf, thread)
    assert await switch.activate() == "a1", "nothing is active, so the one that is loaded stays"
    _activate(shelf, "a2")
    assert [await switch.activate() for _ in range(3)] == ["a2"] * 3
    assert generator.tried == ["a2"]


async def test_adapter_that_can_not_be_loaded_is_tried_once_and_logged(
    shelf: AdapterShelf, thread: StoreThread, caplog: pytest.LogCaptureFixture
) -> None:
    generator = RefusingGenerator(AdapterDamagedError("weights are missing"))
    switch = AdapterSwitch(generator, shelf, thread)
    _activate(shelf, "a2")
    with caplog.at_level(logging.ERROR, "userbot.daemon"):
        assert [await switch.activate() for _ in range(3)] == ["a1"] * 3
    assert generator.tried == ["a2"]
    assert caplog.messages == ["adapter a2 can't be loaded, the one before it stays: weights are missing"]
    _activate(shelf, "a3")
    assert await switch.activate() == "a3"


async def test_server_that_is_unreachable_is_tried_again(shelf: AdapterShelf, thread: StoreThread) -> None:
    generator = RefusingGenerator(GeneratorUnavailableError("no connection"))
    switch = AdapterSwitch(generator, shelf, thread)
    _activate(shelf, "a2")
    assert [await switch.activate() for _ in range(2)] == ["a1", "a2"]


async def test_pointer_that_can_not_be_read_is_an_error(shelf: AdapterShelf, thread: StoreThread) -> None:
    _activate(shelf, "a2")
    (shelf.folder / "current.json").write_text("{")
    with pytest.raises(AdapterDamagedError):
        await AdapterSwitch(RefusingGenerator(), shelf, thread).activate()
