"""A loaded model and a prompt encoder without a model, with scripted answers."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from userbot.domain.errors import AdapterError
from userbot.domain.messages import Reply, Turn
from userbot.domain.text import split_bubbles
from userbot.generator import Prompt

Answer = Callable[[str], tuple[str, str, float]]
"""Returns text, finish reason and seconds of work for the last bubble."""


class FakeModel:
    """Works as a loaded model does: blocking, asking now and then whether to stop; "fail" makes it raise.

    Args:
        answer: What it writes.
        adapters: Names of the folders that it can activate.
        concurrency: How many replies it writes at the same time.
    """

    def __init__(self, answer: Answer, adapters: Sequence[str] = (), *, concurrency: int = 1) -> None:
        self.concurrency = concurrency
        self._answer = answer
        self._adapters = adapters
        self.stopped = 0
        self.closed = False
        self.systems: list[str | None] = []

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Any = None,
        should_stop: Callable[[], bool] | None = None,
    ) -> Reply:
        asked = turns[-1].bubbles[-1]
        self.systems.append(system)
        if asked == "fail":
            raise RuntimeError("CUDA error")
        text, finish, seconds = self._answer(asked)
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if should_stop is not None and should_stop():
                self.stopped += 1
                return Reply(bubbles=(), finish="cancelled")
            time.sleep(0.005)
        return Reply(bubbles=tuple(text.split("\n")), finish=finish)

    def close(self) -> None:
        self.closed = True

    def activate(self, folder: Path | None) -> None:
        if folder is not None and folder.name not in self._adapters:
            raise AdapterError(f"{folder} does not exist.")


class CharacterEncoder:
    """A prompt encoder whose token ids are code points; `decode_prompt` gives the last bubble back."""

    stop_ids = (0,)

    def __init__(self, *stop_texts: str) -> None:
        self.stop_texts = stop_texts

    def encode(self, prompt: Prompt, *, max_tokens: int) -> list[int]:
        lines = [prompt.system or "", *(bubble for turn in prompt.turns for bubble in turn.bubbles)]
        return [ord(letter) for letter in "\n".join(lines)][-max_tokens:]

    def parse(self, text: str) -> tuple[str, ...]:
        return split_bubbles(text.partition("\0")[0])


def decode_prompt(ids: list[int]) -> str:
    return "".join(map(chr, ids)).rpartition("\n")[2]
