"""The engine: replies of several chats generated together, each joining and leaving between two steps.

There is no thread of its own. Of the threads that wait for a reply, one drives the steps for all of them; when its own
reply is done, the next one takes over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch

from training.serving.decode_step import DecodeStep, Pending, RowState
from training.serving.decoder import Decoder
from training.serving.sampling import draw_uniform
from training.serving.slots import KvCache, Slots, count_shared
from userbot.domain.errors import GeneratorError
from userbot.domain.sampling import Sampling

SIZES = (1, 2, 4, 8, 16)
"""Batch sizes of which a step is recorded; the last is the most replies at once."""
MARGIN = 2
"""Tokens of a slot that a step may write after a reply has ended."""
_SHARED_LEAST = 32  # tokens that a prompt has in common with one just being read, from which it waits to copy them
_POLL_S = 0.05  # a thread that waits for others notices within this time that its reply was cancelled


@dataclass(slots=True, kw_only=True, eq=False)
class Request:
    """A reply to generate, and what became of it.

    Args:
        prompt: Token ids.
        sampling: How tokens are sampled, and at most how many.
        end_ids: Tokens that end the reply.
        check: Called with the tokens so far after each; True ends the reply.
        is_cancelled: Asked while the reply waits to be begun.

    Attributes:
        tokens: The reply; the last is one of `end_ids` where one ended it.
        kept: Tokens of the prompt that were in a slot already.
        finished: No token will follow.
        error: What kept it from being generated.
    """

    prompt: list[int]
    sampling: Sampling
    end_ids: frozenset[int]
    check: Callable[[Sequence[int]], bool] = lambda _: False
    is_cancelled: Callable[[], bool] = lambda: False
    tokens: list[int] = field(default_factory=list)
    kept: int = 0
    finished: bool = False
    error: BaseException | None = None


@dataclass(slots=True, kw_only=True, eq=False)
class _Row:
    request: Request
    slot: int
    position: int = 0

    def state(self) -> RowState:
        sampling = self.request.sampling
        return RowState(
            slot=self.slot,
            token=self.request.tokens[-1] if self.request.tokens else 0,
            position=self.position,
            step=len(self.request.tokens),
            temperature=sampling.temperature,
            top_p=sampling.top_p,
            penalty=sampling.repetition_penalty,
        )


class Engine:
    """Generates replies together. Threads share it: each calls `generate` and gets its own reply.

    Args:
        decoder: The model.
        slots: Chats whose keys and values are kept; at least the largest batch size serves all of a batch.
        capacity: Tokens of a chat, prompt and reply.
        max_new_tokens: Longest reply, tokens.
        read_tokens: Most prompt tokens of one forward pass.
        graphs: Record each step as a CUDA graph, and let it run ahead of Python by one.
    """

    def __init__(
        self,
        decoder: Decoder,
        *,
        slots: int,
        capacity: int,
        max_new_tokens: int,
        read_tokens: int = 2048,
        graphs: bool = False,
    ) -> None:
        self.capacity, self.max_new_tokens = capacity, max_new_tokens
        self.rows = min(SIZES[-1], slots)
        self.decoder, self._read_tokens, self._overlaps = decoder, read_tokens, graphs
        self.cache: KvCache = decoder.allocate(slots, capacity + MARGIN)
        sizes = [size for size in SIZES if size < self.rows] + [self.rows]
        self._step = DecodeStep(
            decoder, self.cache, slots=slots, sizes=sizes, max_new_tokens=max_new_tokens, graphs=graphs
        )
        self._slots = Slots(slots)
        self._condition = threading.Condition()
        self._driving = False
        self._waiting: list[Request] = []
        self._rows: list[_Row] = []
        self._pending: tuple[Pending, list[_Row]] | None = None
        self._changed = False

    def fits(self, prompt_tokens: int, sampling: Sampling) -> bool:
        """Tell whether a reply has room in a slot.

        Args:
            prompt_tokens: Length of its prompt.
            sampling: Says how long it may become.
        """
        new = sampling.max_new_tokens
        return new <= self.max_new_tokens and prompt_tokens + new <= self.capacity

    def generate(self, *requests: Request) -> None:
        """Generate replies beside all others that are under way; return when they are finished.

        Args:
            requests: What to generate; the results are written into them.

        Raises:
            GeneratorError: Memory ran out, or the prompt has no room.
        """
        for request in requests:
            if not self.fits(len(request.prompt), request.sampling):
                raise GeneratorError(
                    f"A prompt of {len(request.prompt)} tokens and a reply of {request.sampling.max_new_tokens} have "
                    f"no room in {self.capacity} tokens. Lower CLONE_REPLY__CONTEXT_TOKENS or "
                    f"CLONE_REPLY__MAX_NEW_TOKENS."
                )
        with self._condition:
            self._waiting += requests
        while not all(request.finished for request in requests):
            with self._condition:
                if self._driving:
                    self._condition.wait(_POLL_S)
                    continue
                self._driving = True
            try:
                self._drive(requests)
            finally:
                with self._condition:
                    self._driving = False
                    self._condition.notify_all()
        for request in requests:
            if request.error is not None:
                raise request.error

    def read_adapter(self) -> None:
        """Generate later replies with the adapter that the model has now; what slots hold is forgotten.

        No reply may be under way.

        Raises:
            UnknownModelError: The decoder does not know this kind of adapter.
        """
        self._slots.clear()
        self.decoder.read_adapter()

    @torch.no_grad()
    def _drive(self, own: Sequence[Request]) -> None:
        try:
            while not all(request.finished for request in own):
                self._turn()
            self._flush()  # so that the next driver finds the buffers as they are noted
        except BaseException as exc:
            self._fail(exc, own)

    def _turn(self) -> None:
        """Let replies leave and join, then advance all by a token."""
        with self._condition:
            cancelled = [request for request in self._waiting if request.is_cancelled()]
            for request in cancelled:
                self._waiting.remove(request)
                self._finish(request)
        while self._waiting and len(self._rows) < self.rows and self._slots.free:
            self._flush()
            self._read(self._take_prompts())
        if not self._rows:
            return
        if self._changed:
            self._step.write([row.state() for row in self._rows])
            self._changed = False
        before, self._pending = self._pending, (self._step.launch(), list(self._rows))
        if not self._overlaps:
            self._flush()
        elif before is not None:
            self._accept(*before)
        if self._changed:
            self._flush()

    def _take_prompts(self) -> list[_Row]:
        """Take slots for the prompts that are read next; one that begins like another of them waits to copy it."""
        taken: list[_Row] = []
        copies: list[tuple[int, int, int]] = []
        with self._condition:
            for request in list(self._waiting):
                if len(self._rows) + len(taken) >= self.rows or not self._slots.free:
                    break
                if any(count_shared(row.request.prompt, request.prompt) >= _SHARED_LEAST for row in taken):
                    continue
                place = self._slots.acquire(request.prompt)
                if place.source is not None:
                    copies.append((place.source, place.slot, place.kept))
                request.kept = place.kept
                taken.append(_Row(request=request, slot=place.slot, position=place.kept))
                self._waiting.remove(request)
        self._rows += taken
        for source, target, tokens in copies:
            self.cache.copy(source, target, tokens=tokens)
        return taken

    def _read(self, rows: Sequence[_Row]) -> None:
        """Read prompts in few forward passes, and choose the first token of each reply."""
        for row in rows:
            self._step.begin(row.slot, draw_uniform(row.request.sampling.seed, row.request.sampling.max_new_tokens))
        states, finished = [], []
        for part in self._cut(rows):
            new, ends = self.decoder.place_tokens([(row.slot, row.position, tokens) for row, tokens in part])
            run = self.decoder.run(new, self.cache)
            for (row, tokens), end in zip(part, ends, strict=True):
                self._slots.extend(row.slot, tokens)
                row.position += len(tokens)
                if row.position == len(row.request.prompt):
                    states.append(run[end])
                    finished.append(row)
        logits = self.decoder.compute_logits(torch.stack(states))
        tokens = self._step.sample_first(logits, [row.state() for row in finished])
        self._changed = True
        for row, token in zip(finished, tokens, strict=True):
            self._take_token(row, token)

    def _cut(self, rows: Sequence[_Row]) -> Iterator[list[tuple[_Row, list[int]]]]:
        part: list[tuple[_Row, list[int]]] = []
        room = self._read_tokens
        for row in rows:
            start = row.position
            while start < len(row.request.prompt):
                tokens = row.request.prompt[start : start + room]
                part.append((row, tokens))
                start, room = start + len(tokens), room - len(tokens)
                if not room:
                    yield part
                    part, room = [], self._read_tokens
        if part:
            yield part

    def _flush(self) -> None:
        before, self._pending = self._pending, None
        if before is not None:
            self._accept(*before)

    def _accept(self, pending: Pending, rows: Sequence[_Row]) -> None:
        for row, token in zip(rows, pending.read(), strict=False):  # padding comes last
            if not row.request.finished:
                self._slots.extend(row.slot, row.request.tokens[-1:])
                row.position += 1
                self._take_token(row, token)

    def _take_token(self, row: _Row, token: int) -> None:
        request = row.request
        request.tokens.append(token)
        try:
            stops = request.check(request.tokens)
        except Exception as exc:  # whose reply it is must learn of it, and the others go on
            request.error, stops = exc, True
        if stops or token in request.end_ids or len(request.tokens) >= request.sampling.max_new_tokens:
            self._rows.remove(row)
            self._slots.release(row.slot)
            self._changed = True
            with self._condition:
                self._finish(request)

    def _finish(self, request: Request) -> None:
        request.finished = True
        self._condition.notify_all()

    def _fail(self, exc: BaseException, own: Sequence[Request]) -> None:
        """End all replies under way with an error, and forget what the slots hold."""
        if isinstance(exc, torch.OutOfMemoryError):
            torch.cuda.empty_cache()
            tokens = sum(len(row.request.prompt) for row in self._rows)
            exc = GeneratorError(
                f"Memory ran out on prompts of {tokens} tokens together. Lower CLONE_REPLY__CONTEXT_TOKENS."
            )
        rows, self._rows, self._pending, self._changed = self._rows, [], None, False
        for row in rows:
            self._slots.release(row.slot)
        self._slots.clear()
        with self._condition:
            self._waiting = [request for request in self._waiting if request not in own]
            for request in {id(request): request for request in (*own, *(row.request for row in rows))}.values():
                if not request.finished:
                    request.error = exc
                    self._finish(request)
        if not isinstance(exc, Exception):
            raise exc
