"""A loaded clone: replies, their end, their cancelling, and the exchange of adapters."""

from __future__ import annotations

import json
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from models import make_base

from training.config import make_config
from training.model.base import load_base, resolve_base
from training.model.lora import attach_lora
from training.serving.clone_model import CloneModel, EngineLimits, ReplyPrompt
from userbot.domain.errors import AdapterDamagedError, BaseMismatchError, NoAdapterError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling
from userbot.store.adapters import AdapterShelf, Manifest

TURNS = (Turn(False, ("hello",)), Turn(True, ("hi",)), Turn(False, ("how are you?",)))
GREEDY = Sampling(temperature=0, max_new_tokens=12)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral")


@pytest.fixture(scope="module")
def shelf(base: Path) -> AdapterShelf:
    """Make a shelf with two different adapters of the base, and one that says it is of another base."""
    shelf = AdapterShelf(base.parent / "adapters")
    for name, strength in (("one", 0.3), ("two", -0.3), ("foreign", 0.1)):
        model, _ = load_base(
            resolve_base(str(base), models_dir=base), quantised=False, compute_dtype=torch.float32, device="cpu"
        )
        adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 4}}).lora, seed=3)
        for key, value in adapted.named_parameters():
            if "lora_B" in key:
                torch.nn.init.constant_(value, strength)
        named = str(base) if name != "foreign" else "someone/else"
        with shelf.write(Manifest(id=name, base=named, created_at="", text_format="chat")) as folder:
            adapted.save_pretrained(folder)
    return shelf


@pytest.fixture
def clone(base: Path, shelf: AdapterShelf) -> CloneModel:
    return CloneModel.load(str(base), shelf.path("one"), models_dir=base, load_in_4bit=False, compute_dtype="float32")


def read(clone: CloneModel) -> torch.Tensor:
    return clone.prompt_logits(TURNS)


def test_a_reply_is_bubbles_with_counts(clone: CloneModel) -> None:
    reply = clone.reply(TURNS, sampling=GREEDY)
    assert (reply.adapter_id, reply.new_tokens, reply.finish) == ("one", 12, "length")
    assert reply.prompt_tokens == len("<s>[INST] hello[/INST] hi</s>[INST] how are you?[/INST]") - len("<s></s>") + 2
    assert reply.seconds > 0


def test_a_seed_makes_a_reply_repeatable(clone: CloneModel) -> None:
    replies = [clone.reply(TURNS, sampling=Sampling(seed=seed, max_new_tokens=20)).bubbles for seed in (1, 1, 2)]
    assert replies[0] == replies[1] != replies[2]


def test_the_prompt_keeps_the_newest_turns_within_its_limit(clone: CloneModel) -> None:
    many = tuple(Turn(bool(i % 2), (f"turn {i}",)) for i in range(41))
    reply = clone.reply(many, sampling=Sampling(temperature=0, max_new_tokens=1, max_prompt_tokens=80))
    assert 40 < reply.prompt_tokens <= 80


def test_a_reloaded_adapter_gives_the_same_logits(clone: CloneModel, base: Path, shelf: AdapterShelf) -> None:
    first = read(clone)
    clone.activate(shelf.path("two"))
    assert not torch.allclose(read(clone), first, atol=1e-2)
    clone.activate(shelf.path("one"))
    assert torch.equal(read(clone), first)
    again = CloneModel.load(None, shelf.path("one"), models_dir=base, load_in_4bit=False, compute_dtype="float32")
    assert torch.equal(read(again), first)


def test_the_bare_base_replies_too(clone: CloneModel, base: Path, shelf: AdapterShelf) -> None:
    bare = CloneModel.load(str(base), None, models_dir=base, load_in_4bit=False, compute_dtype="float32")
    adapted = read(clone)
    clone.activate(None)
    assert clone.adapter_id is None
    assert torch.equal(read(clone), read(bare))
    clone.activate(shelf.path("one"))
    assert torch.equal(read(clone), adapted)


def test_only_one_adapter_at_a_time_takes_memory(clone: CloneModel, shelf: AdapterShelf) -> None:
    def count() -> int:
        return sum(value.numel() for value in clone.model.parameters())

    before = count()
    for name in ("two", "one", "two"):
        clone.activate(shelf.path(name))
    assert count() == before


def test_an_adapter_of_another_base_is_refused_and_the_old_one_stays(clone: CloneModel, shelf: AdapterShelf) -> None:
    before = read(clone)
    with pytest.raises(BaseMismatchError, match=r"^The adapter foreign was trained on someone/else, not on "):
        clone.activate(shelf.path("foreign"))
    assert clone.adapter_id == "one"
    assert torch.equal(read(clone), before)


@pytest.mark.parametrize("first", [True, False])
def test_a_damaged_adapter_leaves_what_was_there(base: Path, shelf: AdapterShelf, tmp_path: Path, first: bool) -> None:
    clone = CloneModel.load(
        str(base), None if first else shelf.path("one"), models_dir=base, load_in_4bit=False, compute_dtype="float32"
    )
    before = read(clone)
    broken = AdapterShelf(tmp_path)
    with broken.write(Manifest(id="broken", base=str(base), created_at="", text_format="chat")) as folder:
        for path in shelf.path("two").iterdir():
            (folder / path.name).write_bytes(path.read_bytes()[: 3000 if path.suffix == ".safetensors" else None])
        (folder / "manifest.json").unlink()
    with pytest.raises(AdapterDamagedError, match=r"^The adapter broken can't be read\. "):
        clone.activate(broken.path("broken"))
    assert torch.equal(read(clone), before)
    clone.activate(shelf.path("two"))
    assert clone.adapter_id == "two"


def test_a_folder_without_a_manifest_is_no_adapter(clone: CloneModel, tmp_path: Path) -> None:
    with pytest.raises(NoAdapterError):
        clone.activate(tmp_path)


def test_a_cancelled_reply_stops_at_the_next_token(clone: CloneModel) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 4

    reply = clone.reply(TURNS, sampling=Sampling(temperature=0, max_new_tokens=100), should_stop=stop)
    assert (reply.bubbles, reply.finish) == ((), "cancelled")
    assert reply.new_tokens == 4


def test_a_reply_that_waits_for_another_can_be_cancelled(clone: CloneModel) -> None:
    inside, go = threading.Event(), threading.Event()

    def hold() -> bool:
        inside.set()
        go.wait(10)
        return False

    other = threading.Thread(target=lambda: clone.reply(TURNS, sampling=GREEDY, should_stop=hold))
    other.start()
    inside.wait(10)
    waited = clone.reply(TURNS, sampling=GREEDY, should_stop=lambda: True)
    go.set()
    other.join()
    assert (waited.finish, waited.new_tokens) == ("cancelled", 0)


def test_new_text_is_streamed_piece_by_piece(clone: CloneModel) -> None:
    pieces: list[str] = []
    clone.reply(TURNS, sampling=Sampling(seed=4, max_new_tokens=30), on_token=pieces.append)
    assert len(pieces) > 3


class Scripted(torch.nn.Module):
    """Makes the model write a text, whatever it is asked."""

    def __init__(self, head: torch.nn.Module, ids: Sequence[int]) -> None:
        super().__init__()
        self.head, self.ids = head, list(ids)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = torch.zeros_like(self.head(states))
        logits[:, -1, self.ids.pop(0)] = 100
        return logits


def script(clone: CloneModel, text: str, *, end: bool) -> None:
    model: Any = clone.model
    ids = clone.tokenizer(text, add_special_tokens=False)["input_ids"]
    model.set_output_embeddings(Scripted(model.get_output_embeddings(), [*ids, *([2] if end else []), *[5] * 200]))


def test_the_end_token_ends_a_reply_and_lines_are_bubbles(base: Path) -> None:
    clone = CloneModel.load(str(base), None, models_dir=base, load_in_4bit=False, compute_dtype="float32")
    script(clone, "fine\nand you?", end=True)
    reply = clone.reply(TURNS, sampling=Sampling(temperature=0))
    assert (reply.bubbles, reply.finish) == (("fine", "and you?"), "stop")


def test_the_contact_is_not_played_in_the_text_format(base: Path, tmp_path: Path) -> None:
    folder = make_base(tmp_path / "plain", template=False)
    clone = CloneModel.load(str(folder), None, models_dir=base, load_in_4bit=False, compute_dtype="float32")
    assert clone.text_format == "text"
    script(clone, " fine\nUser: and then", end=False)
    reply = clone.reply(TURNS, sampling=Sampling(temperature=0))
    assert (reply.bubbles, reply.finish) == (("fine",), "stop")
    assert reply.new_tokens == len(" fine\nUser:")


def test_manifests_name_the_renderer(clone: CloneModel, shelf: AdapterShelf, tmp_path: Path) -> None:
    values = json.loads((shelf.path("one") / "manifest.json").read_text())
    plain = AdapterShelf(tmp_path)
    with plain.write(Manifest(**{**values, "id": "plain", "text_format": "text"})) as folder:
        for name in ("adapter_model.safetensors", "adapter_config.json"):
            (folder / name).write_bytes((shelf.path("one") / name).read_bytes())
    clone.activate(plain.path("plain"))
    assert clone.text_format == "text"


ENGINE = EngineLimits(mode="on", capacity=400, max_new_tokens=64)
CHATS = [(*TURNS, Turn(True, ("fine",)), Turn(False, (f"and number {number}?",))) for number in range(6)]


@pytest.fixture
def engine_clone(base: Path, shelf: AdapterShelf) -> CloneModel:
    return CloneModel.load(
        str(base), shelf.path("one"), models_dir=base, load_in_4bit=False, compute_dtype="float32", limits=ENGINE
    )


def test_the_engine_writes_what_the_model_writes(clone: CloneModel, engine_clone: CloneModel) -> None:
    assert (clone.concurrency, engine_clone.concurrency) == (1, 16)
    for turns in CHATS:
        plain, made = (one.reply(turns, sampling=GREEDY) for one in (clone, engine_clone))
        assert (made.bubbles, made.finish, made.new_tokens) == (plain.bubbles, plain.finish, plain.new_tokens)


def test_several_replies_at_once_are_those_of_one_by_one(clone: CloneModel, engine_clone: CloneModel) -> None:
    prompts = [
        ReplyPrompt(turns=turns, system=None, sampling=Sampling(seed=number, max_new_tokens=20))
        for number, turns in enumerate(CHATS)
    ]
    counts: list[int] = []
    together = engine_clone.reply_all(prompts, on_reply=counts.append)
    assert counts == [1, 2, 3, 4, 5, 6]
    alone = [engine_clone.reply(prompt.turns, sampling=prompt.sampling) for prompt in prompts]
    assert [reply.bubbles for reply in together] == [reply.bubbles for reply in alone]
    assert len(clone.reply_all(prompts[:2])) == 2


def test_an_exchanged_adapter_writes_all_of_the_next_reply_and_none_of_the_last(
    engine_clone: CloneModel, clone: CloneModel, shelf: AdapterShelf
) -> None:
    """Replies of two threads, and an exchange while they are under way."""
    begun = threading.Event()
    replies: list[Any] = []
    sampling = Sampling(temperature=0, max_new_tokens=30)

    def reply(turns: Sequence[Turn]) -> None:
        replies.append((turns, engine_clone.reply(turns, sampling=sampling, on_token=lambda _: begun.set())))

    threads = [threading.Thread(target=reply, args=(turns,)) for turns in CHATS[:3]]
    for thread in threads:
        thread.start()
    begun.wait(10)
    engine_clone.activate(shelf.path("two"))
    after = engine_clone.reply(CHATS[0], sampling=sampling)
    for thread in threads:
        thread.join(10)
    assert (engine_clone.concurrency, after.adapter_id) == (16, "two")
    expected = {}
    for name in ("one", "two"):
        clone.activate(shelf.path(name))
        for turns in CHATS[:3]:
            expected[name, turns] = clone.reply(turns, sampling=sampling).bubbles
    assert after.bubbles == expected["two", CHATS[0]]
    assert len(replies) == 3
    for turns, made in replies:
        assert made.bubbles == expected[made.adapter_id, turns]


def test_a_reply_with_no_room_in_the_engine_is_written_without_it(engine_clone: CloneModel, clone: CloneModel) -> None:
    sampling = Sampling(temperature=0, max_new_tokens=70)
    assert engine_clone.reply(TURNS, sampling=sampling).bubbles == clone.reply(TURNS, sampling=sampling).bubbles


def test_an_adapter_that_the_engine_does_not_know_is_run_by_peft(
    engine_clone: CloneModel, base: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import peft

    from training.model.base import quiet_deprecations

    found = resolve_base(str(base), models_dir=base)
    model, _ = load_base(found, quantised=False, compute_dtype=torch.float32, device="cpu")
    with quiet_deprecations():
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj"], use_dora=True))
    strange = AdapterShelf(tmp_path)
    with strange.write(Manifest(id="dora", base=str(base), created_at="", text_format="chat")) as folder:
        adapted.save_pretrained(folder)
    engine_clone.activate(strange.path("dora"))
    assert engine_clone.concurrency == 1
    assert "engine: not used for dora, because this adapter has parts that it does not know" in caplog.text
    assert engine_clone.reply(TURNS, sampling=GREEDY).new_tokens == 12


def test_a_cancelled_reply_of_the_engine_stops_at_its_token(engine_clone: CloneModel) -> None:
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 6

    reply = engine_clone.reply(TURNS, sampling=Sampling(temperature=0, max_new_tokens=60), should_stop=stop)
    assert (reply.bubbles, reply.finish) == ((), "cancelled")
    assert 0 < reply.new_tokens < 7


def test_closing_lets_go_of_the_weights_and_of_the_cache(engine_clone: CloneModel) -> None:
    engine_clone.reply(TURNS, sampling=GREEDY)
    assert engine_clone._engine is not None
    held = [weakref.ref(value) for value in (engine_clone.model, engine_clone._model, engine_clone._engine)]
    engine_clone.close()
    assert [ref() for ref in held] == [None, None, None]
    assert engine_clone.concurrency == 1
