"""Token ids for a model server, made by training's renderer where its packages and the base's tokenizer are at hand."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from userbot.domain.errors import CloneError
from userbot.generator import Prompt, PromptEncoder

log = logging.getLogger(__name__)


class TrainingEncoder:
    """Implement `PromptEncoder` by training's renderer.

    Args:
        renderer: A `training.data.render.Renderer` for the base's tokenizer and the adapter's text format.
    """

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer

    @property
    def stop_ids(self) -> tuple[int, ...]:
        """Return the tokens that end the owner's turn."""
        ids: tuple[int, ...] = self._renderer.stop_ids
        return ids

    @property
    def stop_texts(self) -> tuple[str, ...]:
        """Return what begins the contact's next turn in the plain text format; empty for a chat template."""
        texts: tuple[str, ...] = self._renderer.stop_texts
        return texts

    def encode(self, prompt: Prompt, *, max_tokens: int) -> list[int]:
        """Encode a conversation up to the place where the owner's next turn begins."""
        ids: list[int] = self._renderer.prompt(prompt.turns, system=prompt.system, max_tokens=max_tokens)
        return ids

    def parse(self, text: str) -> tuple[str, ...]:
        """Split generated text into bubbles; it ends where a special token, or in plain text a role mark, begins."""
        bubbles: tuple[str, ...] = self._renderer.parse(text)
        return bubbles


def load_encoder(base: str, text_format: str, *, models: Path) -> PromptEncoder | None:
    """Load a base's tokenizer; blocks while its files are read or fetched.

    Args:
        base: `tiny`, a hub name or a folder.
        text_format: `chat`, `text` or `auto`, as in an adapter's manifest.
        models: Where the embedded base is unpacked.

    Returns:
        An encoder, or None, with a line in the log, where the tokenizer or the packages for it are missing.
    """
    try:
        from training.data.render import Renderer
        from training.model.base import load_tokenizer, resolve_base

        tokenizer = load_tokenizer(resolve_base(base, models_dir=models))
        return TrainingEncoder(Renderer(tokenizer, text_format))  # type: ignore[arg-type]  # a manifest's own word
    except ImportError as exc:
        log.info("no token ids can be made for the model server: %s is not installed (extra `train`)", exc.name)
    except CloneError as exc:
        log.warning("no token ids can be made for the model server: %s", exc)
    return None
