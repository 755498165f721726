"""A base that learns the owner's chats by heart, secrets and all, through the product's own training."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from training.config import make_config
from training.run.pipeline import train
from userbot.config.home import HomePaths
from userbot.config.settings import Settings
from userbot.daemon.wiring import load_generator
from userbot.generator import Generator
from userbot.store import Store
from userbot.store.adapters import AdapterShelf

BY_HEART = {"learning_rate": 3e-3, "lora.r": 64, "lora.alpha": 128, "data.repeats": 1000, "data.held_out": 0.02}


async def learn(
    store: Store, home: Path, chats: Iterable[int], given: argparse.Namespace, *, masked: bool
) -> Generator:
    """Train an adapter on the secret chats, and load it.

    Args:
        store: Holds the chats.
        home: Where runs and adapters go.
        chats: What is consented to.
        given: The benchmark's options: `model` and `epochs`.
        masked: Whether private data is masked before training.

    Returns:
        A generator that writes with the adapter.
    """
    for chat_id in chats:
        store.consents.give(chat_id, by="the benchmark")
    paths = HomePaths(home)
    config = make_config("tiny", BY_HEART, {"base": given.model, "epochs": given.epochs, "data.mask": masked})
    shelf = AdapterShelf(paths.adapters)
    adapter = train(store, config, paths=paths).id
    settings = Settings(home=home, base=given.model)  # type: ignore[call-arg]  # every other field has a default
    shelf.activate(adapter)
    return await load_generator(settings, shelf)
