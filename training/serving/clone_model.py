"""A loaded clone: base model, adapter, renderer. It continues conversations as the owner."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from userbot.domain.errors import MissingExtraError
from userbot.domain.messages import Reply, Turn
from userbot.store.adapters import AdapterShelf, Manifest

try:
    import torch

    from training.config import make_config
    from training.model.base import BaseModel, dequantise_weights, load_base, resolve_base
    from training.model.causal_lm import CausalLM, make_causal_lm
    from training.model.device import inspect_device, release_memory
    from training.model.memory import is_worth_dequantising, read_dims
    from training.serving.adapter_slot import AdapterSlot
    from training.serving.engine import Engine, Request
    from training.serving.generation import generate_tokens, list_end_ids
    from training.serving.start import EngineLimits, check_adapter, start_engine
    from training.serving.stopping import StopCriterion
    from training.serving.turns import Turns
    from userbot.domain.sampling import Sampling
except ImportError as exc:
    from training.extras import describe_missing

    raise MissingExtraError(describe_missing(str(exc.name)), name=exc.name) from exc

from training.data.render import Renderer
from userbot.store.adapters import check_base

__all__ = ["CloneModel", "EngineLimits", "ReplyPrompt", "Sampling"]

log = logging.getLogger(__name__)

CANCELLED = "cancelled"
_POLL_S = 0.05  # a reply that waits for another one notices within this time that it was cancelled


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyPrompt:
    """What one of several replies answers.

    Args:
        turns: The conversation, oldest first.
        system: One line that says who the contact is, as in training.
        sampling: How tokens are sampled.
    """

    turns: Sequence[Turn]
    system: str | None
    sampling: Sampling


class CloneModel:
    """A base model with an adapter that can be exchanged.

    Threads may share it: on a GPU it generates several replies at once, elsewhere one after another.

    Args:
        model: Model of transformers in evaluation mode, without an adapter.
        tokenizer: Tokenizer of the base.
        base: The base that the model was loaded from.
        limits: What the engine is made for, which generates several replies at once.
    """

    def __init__(self, model: Any, tokenizer: Any, *, base: BaseModel, limits: EngineLimits | None = None) -> None:
        self.base = base
        self.tokenizer = tokenizer
        self._model = model
        self._slot = AdapterSlot(model)
        self._manifest: Manifest | None = None
        self._lock = threading.Lock()  # of the model as transformers runs it, for one call at a time
        self._turns = Turns()
        self._renderer = Renderer(tokenizer)
        self._limits = limits or EngineLimits()
        self._engine: Engine | None = None
        self._started = self._engine_fits = False

    @classmethod
    def load(
        cls,
        base: str | None,
        adapter: Path | None = None,
        *,
        models_dir: Path,
        load_in_4bit: bool = True,
        compute_dtype: str = "auto",
        limits: EngineLimits | None = None,
    ) -> Self:
        """Load a base model and an adapter.

        Args:
            base: `tiny`, a hub name or a folder; None takes the adapter's base, or chooses by the device.
            adapter: Folder of an adapter with a manifest; None generates with the bare base.
            models_dir: Folder that the embedded base is unpacked to.
            load_in_4bit: Load the base in 4 bit, as for training.
            compute_dtype: Format of computation, as in the training configuration.
            limits: What the engine is made for; None takes the defaults.

        Returns:
            The clone, ready to reply.

        Raises:
            ConfigError: The base can't be found or loaded.
            BaseMismatchError: The adapter was trained on another base.
            NoAdapterError: There is no adapter in that folder.
            NotQuantisedError: 4 bit can't be applied.
        """
        manifest = _read_manifest(adapter) if adapter is not None else None
        base_model = resolve_base(base or (manifest.base if manifest else None), models_dir=models_dir)
        if manifest is not None:
            check_base(manifest, base_model.name)
        device = inspect_device()
        dtype = device.choose_dtype(compute_dtype)
        model, tokenizer = load_base(
            base_model, quantised=load_in_4bit, compute_dtype=dtype, device=device.type, trainable=False
        )
        if load_in_4bit and is_worth_dequantising(read_dims(base_model, make_config().lora), device, dtype):
            model = dequantise_weights(model, dtype)
        clone = cls(model, tokenizer, base=base_model, limits=limits)
        clone.activate(adapter)
        return clone

    @property
    def concurrency(self) -> int:
        """Return how many replies are generated at the same time."""
        return self._engine.rows if self._engine is not None and self._engine_fits else 1

    @property
    def adapter_id(self) -> str | None:
        """Return the id of the active adapter; None for the bare base."""
        return self._manifest.id if self._manifest else None

    @property
    def text_format(self) -> str:
        """Return how conversations are rendered: `chat` or `text`."""
        return self._renderer.text_format

    @property
    def model(self) -> Any:
        """Return the model of transformers, in peft's wrapper while an adapter is active."""
        return self._slot.model

    def activate(self, folder: Path | None) -> None:
        """Generate later replies with another adapter: load it, switch to it, unload the old one.

        A failure keeps the old one active.

        Args:
            folder: Folder of an adapter with a manifest; None goes back to the bare base.

        Raises:
            BaseMismatchError: It was trained on another base.
            NoAdapterError: There is no adapter in that folder.
            AdapterDamagedError: Its files can't be read.
        """
        manifest = _read_manifest(folder) if folder is not None else None
        if manifest is not None:
            check_base(manifest, self.base.name)
        # Made before anything is changed, because it may raise.
        renderer = Renderer(self.tokenizer, manifest.text_format if manifest else "auto")  # type: ignore[arg-type]
        with self._turns.have_alone(), self._lock:
            if folder is None:
                self._slot.deactivate()
            else:
                # The adapter's products are added to those of the base: one format for both, as in training.
                self._slot.activate(folder, dtype=self._model.dtype)
            self._manifest, self._renderer = manifest, renderer
            self._prepare_engine()

    def reply(
        self,
        turns: Sequence[Turn],
        *,
        system: str | None = None,
        sampling: Sampling | None = None,
        should_stop: Callable[[], bool] | None = None,
        on_token: Callable[[str], None] | None = None,
    ) -> Reply:
        """Generate the owner's next turn.

        Args:
            turns: The conversation, oldest first.
            system: One line that says who the contact is, as in training.
            sampling: How tokens are sampled; None takes the defaults.
            should_stop: Asked after each token; True cancels the reply.
            on_token: Called with each piece of new text.

        Returns:
            The reply; a cancelled one has no bubbles and `finish` "cancelled".

        Raises:
            GeneratorError: Memory ran out.
        """
        sampling = sampling or Sampling()
        stop = should_stop or _never
        started = time.monotonic()
        with self._turns.share(stop) as entered:
            if not entered or stop():
                return Reply(bubbles=(), adapter_id=self.adapter_id, finish=CANCELLED)
            prompt = self._renderer.prompt(turns, system=system, max_tokens=sampling.max_prompt_tokens)
            criterion = StopCriterion(
                self.tokenizer,
                len(prompt),
                should_stop=stop,
                on_token=on_token,
                stop_texts=self._renderer.stop_texts,
            )
            end_ids = list_end_ids(self.tokenizer, self._renderer)
            new = self._generate(prompt, sampling=sampling, end_ids=end_ids, criterion=criterion, should_stop=stop)
            ended = criterion.ended or (bool(new) and new[-1] in end_ids)
            cancelled = criterion.cancelled or not new
            bubbles = () if cancelled else self._renderer.parse(self.tokenizer.decode(new))
            return Reply(
                bubbles=bubbles,
                adapter_id=self.adapter_id,
                finish=CANCELLED if cancelled else "stop" if ended else "length",
                prompt_tokens=len(prompt),
                new_tokens=len(new),
                seconds=time.monotonic() - started,
            )

    def reply_all(
        self, prompts: Sequence[ReplyPrompt], *, on_reply: Callable[[int], None] | None = None
    ) -> list[Reply]:
        """Generate the owner's next turn in several conversations, as many at once as the engine can.

        Args:
            prompts: The conversations.
            on_reply: Called after each reply with how many are there, from one thread at a time.

        Returns:
            A reply each, in order.

        Raises:
            GeneratorError: Memory ran out.
        """
        counting, done = threading.Lock(), 0

        def reply(prompt: ReplyPrompt) -> Reply:
            nonlocal done
            made = self.reply(prompt.turns, system=prompt.system, sampling=prompt.sampling)
            with counting:
                done += 1
                if on_reply is not None:
                    on_reply(done)
            return made

        # A second one for each that is under way waits at the door, so that a row that gets free is taken at once.
        with ThreadPoolExecutor(2 * self.concurrency if self.concurrency > 1 else 1) as threads:
            return list(threads.map(reply, prompts))

    def close(self) -> None:
        """Release the model's memory when the replies under way are finished; nothing can be generated after it."""
        with self._turns.have_alone(), self._lock:
            self._engine, self._engine_fits = None, False
            self._model, self._slot = None, AdapterSlot(None)
        release_memory()

    def prompt_logits(self, turns: Sequence[Turn], *, system: str | None = None) -> torch.Tensor:
        """Return the logits of a reply's first token.

        Args:
            turns: The conversation, oldest first.
            system: One line that says who the contact is.

        Returns:
            Shape (vocabulary,), float32, on the CPU.
        """
        with self._lock, torch.inference_mode():
            ids = torch.tensor([self._renderer.prompt(turns, system=system)], device=self._model.device)
            logits: torch.Tensor = self._slot.model(input_ids=ids, use_cache=False).logits[0, -1].float().cpu()
            return logits

    @contextmanager
    def causal_lm(self) -> Iterator[CausalLM]:
        """Lend the model, with the active adapter, in the form that evaluation takes; replies wait meanwhile."""
        with self._lock:
            yield make_causal_lm(self._slot.model, dtype=self._model.dtype, device=self._model.device.type)

    def _generate(
        self,
        prompt: list[int],
        *,
        sampling: Sampling,
        end_ids: list[int],
        criterion: StopCriterion,
        should_stop: Callable[[], bool],
    ) -> list[int]:
        """Return the tokens of a reply; none where it was cancelled before it began."""
        engine = self._engine if self._engine_fits else None
        if engine is not None and engine.fits(len(prompt), sampling):
            request = Request(
                prompt=prompt,
                sampling=sampling,
                end_ids=frozenset(end_ids),
                check=criterion.check,
                is_cancelled=should_stop,
            )
            engine.generate(request)
            return request.tokens
        with self._wait_for_turn(should_stop) as acquired:
            if not acquired:
                return []
            model = self._slot.model
            return generate_tokens(model, prompt, sampling=sampling, end_ids=end_ids, criterion=criterion)

    def _prepare_engine(self) -> None:
        """Make the engine, or let it take over the adapter that is active now."""
        if not self._started:
            self._engine, line = start_engine(self._slot.model, self._limits, rank=self._slot.rank)
            self._started, self._engine_fits = True, self._engine is not None
            log.info("%s", line)
        elif self._engine is not None:
            problem, _ = check_adapter(self._engine, self._slot.model)
            self._engine_fits = problem is None
            if problem:
                log.warning("engine: not used for %s, because %s", self.adapter_id or "the bare base", problem)

    @contextmanager
    def _wait_for_turn(self, should_stop: Callable[[], bool]) -> Iterator[bool]:
        while not self._lock.acquire(timeout=_POLL_S):
            if should_stop():
                yield False
                return
        try:
            yield True
        finally:
            self._lock.release()


def _read_manifest(folder: Path) -> Manifest:
    return AdapterShelf(folder.parent).get(folder.name)
