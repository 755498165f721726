"""The article's clone: what of a row is supervised, what is cut, how it is sampled, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from models import make_base

import training
from training import CloneConfig, LLMClone, train_clone
from userbot.domain.errors import AdapterDamagedError, ConfigError, TooLittleDataError


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_base(tmp_path_factory.mktemp("base") / "mistral", layers=1, template=False)


@pytest.fixture(scope="module")
def clone(base: Path) -> LLMClone:
    return LLMClone(make_config(base))


def make_config(base: Path, **changes: object) -> CloneConfig:
    values = {
        "quantized": False,
        "train": {"compute_dtype": "float32"},
        "models_dir": base,
        "max_length": 60,
        **changes,
    }
    return CloneConfig(str(base), **values)  # type: ignore[arg-type]  # by field name


def test_the_config_is_kept_as_args(clone: LLMClone, base: Path) -> None:
    assert clone.args.model_name == str(base)
    assert clone.settings.preset == "article"


def test_defaults_are_those_of_the_article() -> None:
    config = CloneConfig("tiny")
    assert (config.quantized, config.output_path, config.max_length) == (True, "clone_peft", 256)


def test_the_owner_s_words_and_the_end_of_their_turn_are_supervised(clone: LLMClone) -> None:
    tokens = clone.encode(["User: hello\nClone: hi\nUser: and?\nClone: ok"])
    assert clone.tokenizer.decode(tokens.ids) == "User: hello\nClone: hi</s>\nUser: and?\nClone: ok</s>"
    assert clone.tokenizer.decode(tokens.ids[tokens.loss_mask]) == " hi</s> ok</s>"
    assert tokens.characters.tolist() == [len(" hi ok")]


def test_a_long_row_keeps_its_newest_turns(clone: LLMClone) -> None:
    row = "\n".join(f"User: ask {i}\nClone: say {i}" for i in range(20))
    tokens = clone.encode([row])
    text = clone.tokenizer.decode(tokens.ids)
    assert len(tokens.ids) <= 60
    assert text.startswith("User: ask 18") and text.endswith("say 19</s>")


def test_a_turn_longer_than_a_sample_keeps_its_newest_words(clone: LLMClone) -> None:
    tokens = clone.encode(["Clone: " + "word " * 30 + "end"])
    assert len(tokens.ids) == 60
    assert clone.tokenizer.decode(tokens.ids).endswith("word end</s>")


def test_rows_without_the_owner_give_no_sample(clone: LLMClone) -> None:
    assert len(clone.encode(["User: hello", "User: hello\nClone: hi"])) == 1


def test_a_sample_is_the_new_turn_alone_and_repeatable(clone: LLMClone) -> None:
    answers = {clone.sample("User: hello\nClone: hi\nUser: and?", temperature=0, max_new_tokens=8) for _ in range(2)}
    assert len(answers) == 1
    assert "hello" not in answers.pop()


def test_sampling_takes_no_unknown_setting(clone: LLMClone) -> None:
    with pytest.raises(TypeError, match="warmth"):
        clone.sample("User: hello", warmth=1)


def test_training_on_rows_without_the_owner_is_refused(clone: LLMClone) -> None:
    with pytest.raises(TooLittleDataError) as raised:
        train_clone(clone, ["User: hello"])
    assert str(raised.value) == (
        "None of the 1 rows holds a turn that begins with `Clone:`. Make them with process_tg_data."
    )


def test_a_folder_without_an_adapter_is_refused_and_the_model_stays(clone: LLMClone, tmp_path: Path) -> None:
    before = [value.clone() for value in clone.model.parameters()]
    with pytest.raises(AdapterDamagedError, match=r"^The adapter none can't be read\."):
        clone.add_adapters(tmp_path / "none")
    assert all(torch.equal(a, b) for a, b in zip(before, clone.model.parameters(), strict=True))


def test_a_model_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no/such"):
        LLMClone(CloneConfig(str(tmp_path / "no/such"), models_dir=tmp_path))


def test_the_package_exports_the_article_s_names() -> None:
    assert set(training.__all__) == {"CloneConfig", "LLMClone", "process_tg_data", "train_clone"}
