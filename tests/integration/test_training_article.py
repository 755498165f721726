"""The article's snippet, on a small model of any kind, without what is wrong in the library that it came from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import make_base

from training import CloneConfig, LLMClone, train_clone
from userbot.domain.errors import TooLittleDataError

ROWS = [f"User: question {i}?\nClone: yes {i})))\nUser: and?\nClone: sure)))" for i in range(30)]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral", template=False)


def load(base: Path, output: Path, **train: object) -> LLMClone:
    settings = {"epochs": 2, "learning_rate": 0.01, "batch_tokens": 256, "compute_dtype": "float32", **train}
    return LLMClone(CloneConfig(str(base), quantized=True, output_path=output, train=settings, models_dir=base))


def test_the_snippet_runs(base: Path, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    clone = load(base, tmp_path / "clone_peft")
    scores = train_clone(clone, datasets.Dataset.from_dict({"prompt": ROWS}))
    assert scores["after"]["loss"] < scores["before"]["loss"] - 0.3, "the split that is held out is evaluated"
    assert not clone.model.training
    answer = clone.sample("User: question 3?", temperature=0, max_new_tokens=20)
    assert "question 3?" not in answer, "only what is new is returned"

    again = load(base, tmp_path / "other")
    before = again.sample("User: question 3?", temperature=0, max_new_tokens=20)
    again.add_adapters(tmp_path / "clone_peft")
    assert again.sample("User: question 3?", temperature=0, max_new_tokens=20) == answer != before
    assert clone.args.model_name == str(base)
    assert clone.tokenizer.eos_token_id in clone.encode(ROWS[:1]).ids


def test_the_end_of_a_turn_is_learned_and_the_contact_is_not(base: Path, tmp_path: Path) -> None:
    clone = load(base, tmp_path)
    tokens = clone.encode(["User: hello\nClone: hi"])
    learned = clone.tokenizer.decode(tokens.ids[tokens.loss_mask])
    assert learned.strip() == "hi</s>"


def test_a_long_row_keeps_its_newest_words(base: Path, tmp_path: Path) -> None:
    clone = LLMClone(CloneConfig(str(base), max_length=60, models_dir=base, output_path=tmp_path))
    row = "\n".join(f"User: ask {i}\nClone: say {i}" for i in range(20))
    tokens = clone.encode([row])
    text = clone.tokenizer.decode(tokens.ids)
    assert len(tokens.ids) <= 60
    assert text.endswith("say 19</s>")
    assert "User: ask 19" in text
    assert "ask 1\n" not in text


def test_a_clone_goes_on_with_the_adapter_it_has(base: Path, tmp_path: Path) -> None:
    clone = load(base, tmp_path / "clone_peft")
    first = train_clone(clone, ROWS)
    clone.add_adapters(tmp_path / "clone_peft")
    second = train_clone(clone, ROWS)
    assert second["before"]["loss"] == pytest.approx(first["after"]["loss"], rel=1e-3)
    assert second["after"]["loss"] < second["before"]["loss"]


def test_rows_without_the_owner_are_refused(base: Path, tmp_path: Path) -> None:
    with pytest.raises(TooLittleDataError, match=r"^None of the 1 rows holds a turn that begins with `Clone:`"):
        train_clone(load(base, tmp_path), ["User: hello"])


def test_another_architecture_works_too(tmp_path: Path) -> None:
    from models import make_tokenizer
    from transformers import GPT2Config, GPT2LMHeadModel

    folder = tmp_path / "gpt2"
    tokenizer = make_tokenizer(template=False)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_embd=64, n_layer=2, n_head=2, n_positions=512, bos_token_id=1, eos_token_id=2
    )
    GPT2LMHeadModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    clone = load(folder, tmp_path / "clone_peft")
    scores = train_clone(clone, ROWS)
    assert scores["after"]["loss"] < scores["before"]["loss"] - 0.3
    clone.sample("User: question 3?", max_new_tokens=4)
