"""Compare the ways of answering on a CPU: the model in this process, and llama.cpp beside it.

    python benchmarks/serve_cpu.py                                # the embedded base
    python benchmarks/serve_cpu.py --base FOLDER                  # any base that llama.cpp can be given

Each way answers the same prompts with a LoRA adapter of rank 16 on all layers, greedily, so that all write alike: one
chat at a time, then four at once. Printed are tokens a second, as a ratio to the first row too; the time to the first
answer with the loading; and how many of the answers are those of float32 weights. Figures are of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import torch

from training.config import make_config
from training.export.gguf import write_base
from training.model.base import load_base, load_tokenizer, resolve_base
from training.model.lora import attach_lora
from training.serving.clone_model import CloneModel
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Generator, Prompt
from userbot.generator.llama_cpp import LlamaCppGenerator
from userbot.generator.local import LocalGenerator
from userbot.generator.prompt_encoder import load_encoder
from userbot.store.adapters import AdapterShelf, Manifest

ADAPTER = "measured"
ASKED = (
    "привет",
    "how are you?",
    "что делаешь вечером?",
    "see you at nine?",
    "опять дождь",
    "did you eat",
    "ок",
    "lol",
)
HISTORY = (Turn(False, ("hi", "you there?")), Turn(True, ("yes", "what is it")))
PROMPTS = [Prompt(turns=(*HISTORY, Turn(False, (text,)))) for text in ASKED]
AT_ONCE = 4


@dataclass(frozen=True)
class Row:
    """What was measured of one way.

    Args:
        title: Its name.
        alone: Tokens a second, one chat at a time.
        together: Tokens a second, four chats at once.
        first_s: Seconds from the start of loading to the first answer.
        said: The answers.
    """

    title: str
    alone: float
    together: float
    first_s: float
    said: list[tuple[str, ...]]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        prog="serve_cpu.py", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--base", default="tiny", help="tiny, or a folder")
    parser.add_argument("--tokens", type=int, default=48, help="longest answer")
    parser.add_argument("--repeats", type=int, default=2, help="times that all prompts are answered")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        expected, rows = asyncio.run(_measure_all(Path(home), given))
    print(f"{given.base}, {os.cpu_count()} cores, torch {torch.__version__}, greedy, {given.tokens} tokens")
    print(f"{'':26}{'tok/s':>8}{'ratio':>7}{f'tok/s x{AT_ONCE}':>10}{'ratio':>7}{'first s':>9}{'same':>7}")
    for row in rows:
        same = sum(one == other for one, other in zip(row.said, expected, strict=True))
        print(
            f"{row.title:26}{row.alone:8.1f}{row.alone / rows[0].alone:7.2f}{row.together:10.1f}"
            f"{row.together / rows[0].together:7.2f}{row.first_s:9.2f}{same:4d}/{len(row.said)}"
        )


async def _measure_all(home: Path, given: argparse.Namespace) -> tuple[list[tuple[str, ...]], list[Row]]:
    shelf, models = AdapterShelf(home / "adapters"), home / "models"
    base = resolve_base(given.base, models_dir=models)
    _make_adapter(shelf, given.base, base.name, models)
    sampling = Sampling(temperature=0.0, repetition_penalty=1.0, max_new_tokens=given.tokens)
    tokenizer = load_tokenizer(base)
    ways: dict[str, Callable[[], Awaitable[Generator]]] = {}
    for four_bit in (False, True):
        ways[f"this process, {'4 bit' if four_bit else 'not quantised'}"] = partial(
            LocalGenerator.load,
            base=given.base,
            adapter_id=ADAPTER,
            shelf=shelf,
            models=models,
            load_in_4bit=four_bit,
            sampling=sampling,
        )
    for form in ("f16", "q8_0"):
        path = home / f"{form}.gguf"
        write_base(Path(base.source), path, tokenizer=tokenizer, form=form)
        ways[f"llama.cpp, {form}"] = partial(
            LlamaCppGenerator.load,
            base=given.base,
            adapter_id=ADAPTER,
            shelf=shelf,
            models=models,
            sampling=sampling,
            load_encoder=partial(load_encoder, models=models),
            gguf=path,
        )
    expected = _say_in_float32(given.base, shelf, models, sampling)
    return expected, [await _measure(title, load, given.repeats) for title, load in ways.items()]


def _say_in_float32(base: str, shelf: AdapterShelf, models: Path, sampling: Sampling) -> list[tuple[str, ...]]:
    clone = CloneModel.load(base, shelf.path(ADAPTER), models_dir=models, load_in_4bit=False, compute_dtype="float32")
    return [clone.reply(prompt.turns, sampling=sampling).bubbles for prompt in PROMPTS]


def _make_adapter(shelf: AdapterShelf, name: str, base_name: str, models: Path) -> None:
    model, _ = load_base(
        resolve_base(name, models_dir=models), quantised=False, compute_dtype=torch.float32, device="cpu"
    )
    adapted, _ = attach_lora(model, make_config().lora, seed=1)
    torch.manual_seed(1)
    for key, value in adapted.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(value, std=1e-3)
    with shelf.write(Manifest(id=ADAPTER, base=base_name, created_at="")) as folder:
        adapted.save_pretrained(folder)


async def _measure(title: str, load: Callable[[], Awaitable[Generator]], repeats: int) -> Row:
    prompts = PROMPTS
    started = time.perf_counter()
    generator = await load()
    await generator.generate(prompts[0])
    first_s = time.perf_counter() - started
    started = time.perf_counter()
    replies = [await generator.generate(prompt) for _ in range(repeats) for prompt in prompts]
    alone_s = time.perf_counter() - started
    started = time.perf_counter()
    together = 0
    for _ in range(repeats):
        for start in range(0, len(prompts), AT_ONCE):
            batch = await asyncio.gather(*map(generator.generate, prompts[start : start + AT_ONCE]))
            together += sum(reply.new_tokens for reply in batch)
    together_s = time.perf_counter() - started
    await generator.close()
    tokens = sum(reply.new_tokens for reply in replies)
    said = [reply.bubbles for reply in replies[: len(prompts)]]
    return Row(title, tokens / alone_s, together / together_s, first_s, said)


if __name__ == "__main__":
    main()
