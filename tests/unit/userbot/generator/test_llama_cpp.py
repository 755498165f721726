"""llama.cpp as the daemon runs it: the same words as this process writes, other adapters, and deaths."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from userbot.domain.errors import BaseMismatchError, ConfigError, GeneratorError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.generator import Prompt
from userbot.generator.llama_cpp import LORA_FOLDER, LlamaCppGenerator, is_quicker
from userbot.generator.prompt_encoder import load_encoder
from userbot.store.adapters import AdapterShelf, Manifest

for needed in ("torch", "gguf", "xllamacpp"):
    pytest.importorskip(needed)

GREEDY = Sampling(temperature=0.0, repetition_penalty=1.0, max_new_tokens=24)
TEXTS = ("привет", "hey, how are you?", "что делаешь вечером", "see you at nine?", "ок")
PROMPTS = [Prompt(turns=(Turn(False, ("hi",)), Turn(True, ("hey",)), Turn(False, (text,)))) for text in TEXTS]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with two adapters of the embedded base that change what it says, and one of another base."""
    import torch

    from training.config import make_config
    from training.model.base import load_base, resolve_base
    from training.model.lora import attach_lora

    home = tmp_path_factory.mktemp("home")
    shelf = AdapterShelf(home / "adapters")
    for seed, name in enumerate(("one", "two", "foreign")):
        base = resolve_base("tiny", models_dir=home / "models")
        model, _ = load_base(base, quantised=False, compute_dtype=torch.float32, device="cpu")
        adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 4}}).lora, seed=seed)
        torch.manual_seed(seed)
        for key, value in adapted.named_parameters():
            if "lora_B" in key:
                torch.nn.init.normal_(value, std=0.05)
        named = "someone/else" if name == "foreign" else "tiny"
        with shelf.write(Manifest(id=name, base=named, created_at="", text_format="chat")) as folder:
            adapted.save_pretrained(folder)
    return home


@pytest.fixture(scope="module")
def expected(home: Path) -> dict[str, list[tuple[str, ...]]]:
    """Return what the model in this process says, in float32, by adapter."""
    from training.serving.clone_model import CloneModel

    models, shelf = home / "models", AdapterShelf(home / "adapters")
    clone = CloneModel.load("tiny", models_dir=models, load_in_4bit=False, compute_dtype="float32")
    said = {}
    for name in ("one", "two"):
        clone.activate(shelf.path(name))
        said[name] = [clone.reply(prompt.turns, sampling=GREEDY).bubbles for prompt in PROMPTS]
    return said


@pytest.fixture
async def generator(home: Path, tiny_gguf: Path) -> AsyncIterator[LlamaCppGenerator]:
    made = await LlamaCppGenerator.load(
        base="tiny",
        adapter_id="one",
        shelf=AdapterShelf(home / "adapters"),
        models=home / "models",
        sampling=GREEDY,
        load_encoder=partial(load_encoder, models=home / "models"),
        gguf=tiny_gguf,
    )
    yield made
    await made.close()


async def test_greedy_replies_are_those_of_the_model_in_this_process_for_each_adapter(
    generator: LlamaCppGenerator, expected: dict[str, list[tuple[str, ...]]]
) -> None:
    assert expected["one"] != expected["two"]
    for name in ("one", "two", "one"):
        await generator.activate(name)
        replies = [await generator.generate(prompt) for prompt in PROMPTS]
        assert {reply.adapter_id for reply in replies} == {name}
        same = [reply.bubbles == said for reply, said in zip(replies, expected[name], strict=True)]
        # Its cache has 16 bits, so that one near tie among a hundred words may fall the other way.
        assert sum(same) >= len(same) - 1


async def test_chats_that_wait_together_are_all_answered(generator: LlamaCppGenerator) -> None:
    replies = await asyncio.gather(*(generator.generate(prompt) for prompt in PROMPTS * 2))
    assert all(reply.new_tokens for reply in replies)


async def test_reply_under_way_is_finished_by_its_own_adapter(
    generator: LlamaCppGenerator, expected: dict[str, list[tuple[str, ...]]]
) -> None:
    asked = asyncio.create_task(generator.generate(PROMPTS[0]))
    await asyncio.sleep(0)
    await generator.activate("two")
    reply = await asked
    assert (reply.adapter_id, reply.bubbles) == ("one", expected["one"][0])


async def test_server_that_dies_is_started_again_and_the_reply_is_written(generator: LlamaCppGenerator) -> None:
    before = await generator.generate(PROMPTS[0])
    generator._now.engine._process.kill()
    await generator._now.engine._process.wait()
    assert (await generator.generate(PROMPTS[0])).bubbles == before.bubbles


async def test_cancelled_reply_frees_the_server(generator: LlamaCppGenerator) -> None:
    task = asyncio.create_task(generator.generate(PROMPTS[0]))
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (await asyncio.wait_for(generator.generate(PROMPTS[1]), 20)).bubbles


async def test_adapter_of_another_base_keeps_the_one_that_writes(generator: LlamaCppGenerator) -> None:
    with pytest.raises(BaseMismatchError):
        await generator.activate("foreign")
    assert (await generator.generate(PROMPTS[0])).adapter_id == "one"


async def test_nothing_stays_behind(home: Path, generator: LlamaCppGenerator) -> None:
    assert not (home / "models" / LORA_FOLDER).exists()
    process = generator._now.engine._process
    await generator.close()
    assert process.returncode == 0


async def test_file_that_is_no_model_is_named(home: Path) -> None:
    broken = home / "broken.gguf"
    broken.write_bytes(b"nothing")
    for path, error, said in ((broken, GeneratorError, "can't serve"), (home / "no.gguf", ConfigError, "no GGUF file")):
        with pytest.raises(error, match=said):
            await LlamaCppGenerator.load(
                base="tiny",
                adapter_id=None,
                shelf=AdapterShelf(home / "adapters"),
                models=home / "models",
                sampling=GREEDY,
                load_encoder=lambda _base, _format: None,
                gguf=path,
            )


async def test_base_is_converted_once_and_kept(home: Path) -> None:
    options = {
        "base": "tiny",
        "adapter_id": "one",
        "shelf": AdapterShelf(home / "adapters"),
        "models": home / "models",
        "sampling": GREEDY,
        "load_encoder": partial(load_encoder, models=home / "models"),
    }
    times = []
    for _ in range(2):
        generator = await LlamaCppGenerator.load(**options)  # type: ignore[arg-type]  # a test's shorthand
        assert (await generator.generate(PROMPTS[1])).new_tokens > 0
        await generator.close()
        [kept] = (home / "models").glob("*.gguf")
        times.append(kept.stat().st_mtime_ns)
    assert times[0] == times[1] and kept.name.startswith("tiny-")


def test_llama_cpp_is_chosen_without_a_gpu_for_bases_that_it_knows(home: Path) -> None:
    assert is_quicker("tiny", models=home / "models")
    assert not is_quicker(str(home / "no-base"), models=home / "models")
