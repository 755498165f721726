"""Starting the engine: whether it fits the model and the device's memory, and a check that it computes the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch

from training.model.device import GIB, can_run_kernels, read_free_memory
from training.serving.decoder import Decoder, UnknownModelError
from training.serving.engine import MARGIN, SIZES, Engine, Request
from userbot.domain.sampling import Sampling

Mode = Literal["auto", "on", "off"]

_SHARE = 0.5  # of the free memory that slots may take
_KEPT = 2  # slots for each reply at once: as many more chats find what they left
_PLENTY = 4 * GIB  # free bytes from which speed is worth some memory
_READ_TOKENS, _FEW_READ_TOKENS = 2048, 512  # prompt tokens of one forward pass
_LEAST_RANK = 16
_PROBE, _PROBE_STEPS = 70, 4  # tokens of the prompt in the check, and how many of them are read one by one
_TOLERANCE = {torch.float32: 1e-3, torch.float16: 1e-2, torch.bfloat16: 5e-2}
_ROUNDING = 0.1  # share of a layer's result that its error is also measured by: adding to a large input rounds


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineLimits:
    """What an engine is made for.

    Args:
        mode: `auto` uses it on a GPU, `on` on a CPU too, `off` never.
        capacity: Tokens of a chat, prompt and reply.
        max_new_tokens: Longest reply, tokens.
        memory_bytes: Most memory of the slots, and none is spent on speed; None takes a share of what is free.
    """

    mode: Mode = "auto"
    capacity: int = 1152
    max_new_tokens: int = 128
    memory_bytes: int | None = None


def start_engine(model: Any, limits: EngineLimits, *, rank: int = _LEAST_RANK) -> tuple[Engine | None, str]:
    """Make an engine for a model, and check it.

    Args:
        model: Model of transformers in evaluation mode, or peft's wrapper of one.
        limits: What it is made for.
        rank: Largest rank of an adapter.

    Returns:
        The engine, or None where replies are better generated one by one; and a line that says which, and why.
    """
    cuda = model.device.type == "cuda"
    if limits.mode == "off":
        return None, _refuse("it is switched off")
    if limits.mode == "auto" and not cuda:
        return None, _refuse("there is no GPU; CLONE_GENERATOR__ENGINE=on uses it all the same")
    if cuda and not can_run_kernels():
        return None, _refuse("Triton or a GPU of compute capability 8 is missing")
    try:
        roomy = limits.memory_bytes is None and _measure_free(cuda) > _PLENTY
        decoder = Decoder(model, rank=max(rank, _LEAST_RANK), roomy=roomy)
        if decoder.window < limits.capacity:
            raise UnknownModelError(f"a window of {decoder.window} tokens")
        slots, free = _count_slots(decoder, limits)
        if not slots:
            size = (limits.capacity + MARGIN) * decoder.bytes_per_token / GIB
            return None, _refuse(
                f"a chat of {limits.capacity} tokens takes {size:.2f} GiB and {free / GIB:.2f} GiB may be taken"
            )
        engine = Engine(
            decoder,
            slots=slots,
            capacity=limits.capacity,
            max_new_tokens=limits.max_new_tokens,
            read_tokens=_READ_TOKENS if roomy else _FEW_READ_TOKENS,
            graphs=cuda,
        )
    except UnknownModelError as exc:
        return None, _refuse(f"this model has parts that it does not know: {exc}")
    except torch.OutOfMemoryError:
        torch.cuda.empty_cache()
        return None, _refuse("memory ran out")
    problem, error = check_adapter(engine, model)
    problem = problem or _try_step(engine)
    if problem:
        return None, _refuse(problem)
    memory = slots * (limits.capacity + MARGIN) * decoder.bytes_per_token / GIB
    return engine, (
        f"engine: {engine.rows} replies at once, {slots} chats of {limits.capacity} tokens kept in {memory:.2f} GiB "
        f"(checked, relative error {error:.1e})"
    )


def check_adapter(engine: Engine, model: Any) -> tuple[str | None, float]:
    """Let an engine take over the adapter that a model has now, and compare what both predict.

    Args:
        engine: The engine, with no reply under way.
        model: The model that it was made of, or peft's wrapper of it.

    Returns:
        What speaks against using the engine, None where nothing does; and the relative error.
    """
    try:
        engine.read_adapter()
        error = measure_difference(engine, model)
    except UnknownModelError as exc:
        return f"this adapter has parts that it does not know: {exc}", float("nan")
    except Exception as exc:  # whatever goes wrong in a compiler: the model as it was is still there
        return f"the check fails: {type(exc).__name__}", float("nan")
    if not error <= _TOLERANCE[engine.decoder.dtype]:
        return f"results differ (relative error {error:.1e})", error
    return None, error


@torch.no_grad()
def measure_difference(engine: Engine, model: Any) -> float:
    """Compare each layer of an engine, and the logits, with those of the model as transformers and peft run it.

    Each layer gets what the model's own got, so that noise does not add up over layers. A prompt is read at once but
    for its last tokens, which go the way of decoding.

    Args:
        engine: The engine, with no reply under way.
        model: The model.

    Returns:
        The largest relative error by norm: of what a layer adds to its input, rounding of the sum aside, and of the
        logits.
    """
    decoder = engine.decoder
    length = min(_PROBE, engine.capacity)
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(3, min(decoder.vocabulary, 20_000), (1, length), generator=generator)
    inputs, outputs, logits = _watch_layers(decoder.modules, model, ids.to(decoder.device))
    first = length - _PROBE_STEPS
    parts = [(0, first), (first, length)]
    errors = []
    for number, (before, after) in enumerate(zip(inputs, outputs, strict=True)):
        found = [_run_part(engine, number, before[start:end], start) for start, end in parts]
        added = (after - before).float().norm() + _ROUNDING * after.float().norm()
        errors.append(float((torch.cat(found).float() - after.float()).norm() / added))
    found_logits = decoder.compute_logits(outputs[-1])
    errors.append(float((found_logits.float() - logits.float()).norm() / logits.float().norm()))
    return max(errors)


def _watch_layers(
    modules: list[Any], model: Any, ids: torch.Tensor
) -> tuple[list[torch.Tensor], list[torch.Tensor], torch.Tensor]:
    """Run the model, and return the inputs and outputs of its layers, shape (tokens, hidden), and the logits."""
    inputs: list[torch.Tensor] = []
    outputs: list[torch.Tensor] = []

    def watch(module: Any, arguments: Any, options: Any, result: Any) -> None:
        inputs.append((arguments[0] if arguments else options["hidden_states"])[0])
        outputs.append((result[0] if isinstance(result, tuple) else result)[0])

    hooks = [module.register_forward_hook(watch, with_kwargs=True) for module in modules]
    try:
        logits: torch.Tensor = model(input_ids=ids, use_cache=False).logits[0]
    finally:
        for hook in hooks:
            hook.remove()
    return inputs, outputs, logits


def _run_part(engine: Engine, number: int, states: torch.Tensor, start: int) -> torch.Tensor:
    new, _ = engine.decoder.place_tokens([(0, start, [0] * len(states))])
    padded = torch.nn.functional.pad(states, (0, 0, 0, len(new.ids) - len(states)))
    return engine.decoder.run_layer(number, padded, new, engine.cache)[: len(states)]


def _try_step(engine: Engine) -> str | None:
    """Generate two tokens, which records the step of a single reply; return what speaks against using the engine."""
    sampling = Sampling(max_new_tokens=min(2, engine.max_new_tokens))
    request = Request(prompt=[3], sampling=sampling, end_ids=frozenset())
    try:
        engine.generate(request)
    except Exception as exc:  # as in the check
        return f"a first step fails: {type(exc).__name__}"
    return None


def _count_slots(decoder: Decoder, limits: EngineLimits) -> tuple[int, float]:
    free = (
        limits.memory_bytes
        if limits.memory_bytes is not None
        else _SHARE * _measure_free(decoder.device.type == "cuda")
    )
    size = (limits.capacity + MARGIN) * decoder.bytes_per_token
    return min(_KEPT * SIZES[-1], int(free // size)), free


def _measure_free(cuda: bool) -> int:
    if not cuda:
        return read_free_memory()
    torch.cuda.empty_cache()
    return torch.cuda.mem_get_info()[0]


def _refuse(reason: str) -> str:
    return f"engine: not used, replies are generated one by one, because {reason}"
