"""The article's snippet on small models of two architectures: train, sample, and load the adapter again."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import make_base

from training import CloneConfig, LLMClone, train_clone

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


def test_training_continues_from_the_active_adapter(base: Path, tmp_path: Path) -> None:
    clone = load(base, tmp_path / "clone_peft")
    first = train_clone(clone, ROWS)
    clone.add_adapters(tmp_path / "clone_peft")
    second = train_clone(clone, ROWS)
    assert second["before"]["loss"] == pytest.approx(first["after"]["loss"], rel=1e-3)
    assert second["after"]["loss"] < second["before"]["loss"]


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
