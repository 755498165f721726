"""The hub's client: asked once while it is unreachable, and progress bars for downloads only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from training.model import hub
from training.model.base import load_base, resolve_base
from userbot.domain.errors import ConfigError


@pytest.fixture
def unreachable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let the hub be where nobody answers, and allow no pause."""
    from huggingface_hub import constants

    def sleep(seconds: float) -> None:
        raise AssertionError("something is tried again")

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(hub, "PATIENCE_S", 0)
    monkeypatch.setattr(time, "sleep", sleep)
    hub.is_hub_unreachable.cache_clear()
    yield
    hub.is_hub_unreachable.cache_clear()


@pytest.mark.usefixtures("unreachable")
def test_an_unreachable_hub_is_asked_once_for_a_model(tmp_path: Path) -> None:
    from huggingface_hub import constants

    with pytest.raises(ConfigError, match=r"is not on this device, and the hub can't be reached"):
        load_base(resolve_base("one/two", models_dir=tmp_path), quantised=False, compute_dtype=torch.float32)
    assert constants.HF_HUB_OFFLINE is False


@pytest.mark.usefixtures("unreachable")
def test_the_client_is_offline_only_as_long_as_it_is_needed() -> None:
    from huggingface_hub import constants

    with hub.offline_if_unreachable():
        assert constants.HF_HUB_OFFLINE is True
    assert constants.HF_HUB_OFFLINE is False


def test_a_client_that_was_set_offline_stays_so_without_asking(monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    def ask() -> bool:
        raise AssertionError("the hub is asked")

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(hub, "is_hub_unreachable", ask)
    with hub.offline_if_unreachable():
        assert constants.HF_HUB_OFFLINE is True
    assert constants.HF_HUB_OFFLINE is True


def test_downloads_keep_their_bars() -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled
    from transformers.utils import logging

    hub.hide_loading_bars()
    assert not logging.is_progress_bar_enabled()
    assert not are_progress_bars_disabled()
