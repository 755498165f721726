"""Measure how quickly replies are generated: one chat, four, sixteen; the first token; the gate; memory.

    python benchmarks/serve.py                              # ours, and generate() of transformers, on a GPU
    python benchmarks/serve.py --variants ours,hf,static,bf16 --json found.json
    python benchmarks/serve.py --small                      # a small model; on a CPU it only shows that all of it runs

The base has Mistral-7B's shape and random weights, in NF4 with double quantisation, with an adapter of rank 16 on all
seven linear layers. "ours" goes through `CloneModel` and `LocalGenerator`, as the daemon does. "hf" is the same model
through generate() of transformers, "static" the same with a static cache and compiled layers, "bf16" our engine on
weights that were not quantised, "tight" ours with as little memory as sixteen chats need. Limits are what reading the
weights once takes at the rate of a large sum, which is measured first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.speed.base import write_base
from training.config import make_config
from training.model.base import load_base, resolve_base
from training.model.device import GIB, inspect_device
from training.model.lora import attach_lora
from training.serving.clone_model import CloneModel, EngineLimits, ReplyPrompt
from training.serving.engine import Request
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.local import LocalGenerator
from userbot.store.adapters import AdapterShelf, Manifest

MISTRAL = {"hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32, "num_attention_heads": 32}
MISTRAL |= {"num_key_value_heads": 8, "vocab_size": 32768}
SMALL = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 4}
SMALL |= {"num_key_value_heads": 2, "vocab_size": 512}
CUDA = torch.cuda.is_available()
Found = dict[str, Any]


def wait() -> None:
    """Wait for the GPU."""
    if CUDA:
        torch.cuda.synchronize()


def take_time(call: Callable[[], Any], *, rounds: int = 1) -> float:
    """Return the median time of a call, seconds."""
    times = []
    for _ in range(rounds):
        wait()
        started = time.perf_counter()
        call()
        wait()
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def measure_reading() -> float:
    """Return how many bytes a second a large sum reads."""
    numbers = torch.ones(1 << 29 if CUDA else 1 << 24, device="cuda" if CUDA else "cpu")
    numbers.sum()
    return numbers.numel() * 4 / take_time(lambda: numbers.sum(), rounds=10)


def write_adapter(folder: Path, shelf: AdapterShelf, name: str, *, seed: int) -> None:
    """Write an adapter whose matrices are not 0."""
    device = "cuda" if CUDA else "cpu"
    dtype = torch.bfloat16 if CUDA else torch.float32
    base = resolve_base(str(folder), models_dir=folder)
    model, _ = load_base(base, quantised=True, compute_dtype=dtype, device=device)
    adapted, _ = attach_lora(model, make_config("default").lora, seed=seed)
    generator = torch.Generator().manual_seed(seed)
    for key, value in adapted.named_parameters():
        if "lora_B" in key:
            value.data = (torch.randn(value.shape, generator=generator) * 0.01).to(value.device)
    with shelf.write(Manifest(id=name, base=str(folder), created_at="", text_format="text")) as target:
        adapted.save_pretrained(target)


def draw_prompt(tokens: int, vocabulary: int, *, seed: int) -> list[int]:
    """Return random token ids."""
    return [int(token) for token in np.random.default_rng(seed).integers(3, vocabulary, tokens)]


def generate(clone: CloneModel, prompts: list[list[int]], *, new: int, temperature: float = 0.7) -> list[Request]:
    """Generate replies of one length to token ids, together."""
    engine = clone._engine
    assert engine is not None
    sampling = Sampling(max_new_tokens=new, temperature=temperature)
    requests = [Request(prompt=prompt, sampling=sampling, end_ids=frozenset()) for prompt in prompts]
    engine.generate(*requests)
    return requests


def measure_ours(clone: CloneModel, vocabulary: int, *, long: int) -> Found:
    """Measure steps by batch size, the first token, sixteen chats, and the gate."""
    found: Found = {}
    new = 100
    for batch in (1, 4, 16):
        prompts = [draw_prompt(32, vocabulary, seed=number) for number in range(batch)]
        generate(clone, prompts, new=4)
        whole = take_time(lambda p=prompts: generate(clone, p, new=new), rounds=3)  # type: ignore[misc]
        short = take_time(lambda p=prompts: generate(clone, p, new=2), rounds=3)  # type: ignore[misc]
        found[f"tok_s_{batch}"] = batch * (new - 2) / (whole - short)
    seeds = iter(range(1000, 2000))
    generate(clone, [draw_prompt(long, vocabulary, seed=next(seeds))], new=1)
    found["first_ms"] = 1e3 * take_time(
        lambda: generate(clone, [draw_prompt(long, vocabulary, seed=next(seeds))], new=1), rounds=5
    )
    kept = draw_prompt(long - 60, vocabulary, seed=1)
    generate(clone, [kept], new=1)
    found["first_kept_ms"] = 1e3 * take_time(
        lambda: generate(clone, [kept + draw_prompt(60, vocabulary, seed=next(seeds))], new=1), rounds=5
    )
    return found


def measure_memory(clone: CloneModel, vocabulary: int, *, long: int) -> Found:
    """Measure the peak of sixteen chats that fill their slots."""
    if CUDA:
        torch.cuda.reset_peak_memory_stats()
    requests = generate(clone, [draw_prompt(long - 76, vocabulary, seed=number) for number in range(16)], new=100)
    assert all(len(request.tokens) == 100 for request in requests)
    return {"peak_gib": torch.cuda.max_memory_allocated() / GIB} if CUDA else {}


def ask(number: int, words: int = 300) -> Prompt:
    """Return a conversation of numbered words."""
    text = " ".join(f"w{word}" for word in draw_prompt(words, 400, seed=number))
    return Prompt(turns=(Turn(False, (text,)),), system=None)


def measure_chats(clone: CloneModel, shelf: AdapterShelf, *, chats: int = 16, new: int = 48) -> Found:
    """Ask for replies in several chats at once through the daemon's generator."""
    ends: list[float] = []

    async def run() -> float:
        local = LocalGenerator(clone, shelf=shelf, sampling=Sampling(max_new_tokens=new, seed=3))

        async def one(number: int) -> int:
            reply = await local.generate(ask(number))
            ends.append(time.perf_counter())
            return reply.new_tokens

        await local.generate(ask(999))
        started = time.perf_counter()
        tokens = sum(await asyncio.gather(*(one(number) for number in range(chats))))
        whole = time.perf_counter() - started
        await local.close()
        ends[:] = [end - started for end in ends]
        return tokens / whole

    rate = asyncio.run(run())
    return {"chats_tok_s": rate, "chats_first_s": min(ends), "chats_last_s": max(ends)}


def measure_gate(clone: CloneModel, *, answers: int = 128, new: int = 48) -> Found:
    """Answer as many prompts as the gate does."""
    prompts = []
    for number in range(answers):
        sampling = Sampling(seed=number, max_new_tokens=new)
        prompts.append(ReplyPrompt(turns=ask(number, 120).turns, system=None, sampling=sampling))
    return {"gate_s": take_time(lambda: clone.reply_all(prompts))}


def measure_hf(clone: CloneModel, vocabulary: int, *, long: int, static: bool) -> Found:
    """Measure generate() of transformers on the same model."""
    found: Found = {}
    model = clone.model
    new, few = 18, 2

    def run(batch: int, tokens: int, prompt: int = 32, seed: int = 0) -> None:
        ids = torch.tensor([draw_prompt(prompt, vocabulary, seed=seed + number) for number in range(batch)])
        ids = ids.to(model.device)
        extra = {"cache_implementation": "static"} if static else {}
        options = {"do_sample": True, "temperature": 0.7, "top_p": 0.9, "top_k": 0, "pad_token_id": 0, **extra}
        with torch.no_grad():
            model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                min_new_tokens=tokens,
                max_new_tokens=tokens,
                **options,
            )

    for batch in (1, 16):
        run(batch, new)
        whole = take_time(lambda b=batch: run(b, new))  # type: ignore[misc]
        short = take_time(lambda b=batch: run(b, few))  # type: ignore[misc]
        found[f"tok_s_{batch}"] = batch * (new - few) / (whole - short)
    if not static:
        run(1, 1, long)
        found["first_ms"] = 1e3 * take_time(lambda: run(1, 1, long, 77), rounds=3)
    return found


def main() -> None:
    """Measure what was asked for and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variants", default="ours,hf,tight", help="of ours, hf, static, bf16, tight")
    parser.add_argument("--small", action="store_true", help="a small model")
    parser.add_argument("--json", type=Path, help="write all figures there")
    given = parser.parse_args()
    shape, long = (SMALL, 200) if given.small else (MISTRAL, 1000)
    device = inspect_device()
    rate = measure_reading()
    print(f"{device.name}, torch {torch.__version__}, reading at {rate / 1e12:.2f} TB/s", flush=True)
    found: dict[str, Found] = {}
    with tempfile.TemporaryDirectory() as place:
        base, shelf = Path(place) / "base", AdapterShelf(Path(place) / "adapters")
        write_base(base, shape)
        write_adapter(base, shelf, "one", seed=1)
        for variant in given.variants.split(","):
            found[variant] = run_variant(variant, base, shelf, shape["vocab_size"], long=long)
            print(variant, {key: round(value, 3) for key, value in found[variant].items()}, flush=True)
    if given.json:
        given.json.write_text(json.dumps({"device": device.name, "read_bytes_s": rate, "found": found}, indent=1))


def run_variant(variant: str, base: Path, shelf: AdapterShelf, vocabulary: int, *, long: int) -> Found:
    """Load the model for a variant, and measure it."""
    ours = variant in ("ours", "bf16", "tight")
    if CUDA:
        torch.cuda.empty_cache()
    limits = EngineLimits(
        mode="on" if ours else "off",
        capacity=long + 24,
        memory_bytes=int(2.01 * GIB) if variant == "tight" else None,
    )
    started = time.perf_counter()
    clone = CloneModel.load(
        str(base), shelf.path("one"), models_dir=base, load_in_4bit=variant != "bf16", limits=limits
    )
    loaded = time.perf_counter() - started
    found: Found = {"load_s": loaded}
    clone.reply(ask(5, 40).turns, sampling=Sampling(max_new_tokens=8))
    found["first_answer_s"] = time.perf_counter() - started
    if ours and clone.concurrency == 1:
        raise SystemExit("the engine is not used; its line in the log says why")
    if variant == "tight":
        found |= measure_memory(clone, vocabulary, long=long)
    elif ours:
        found |= measure_ours(clone, vocabulary, long=long)
        found |= measure_gate(clone) | measure_memory(clone, vocabulary, long=long)
        found |= measure_chats(clone, shelf)  # last, because closing the generator releases the model
    else:
        found |= measure_hf(clone, vocabulary, long=long, static=variant == "static")
    return found


if __name__ == "__main__":
    import logging

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    main()
