"""The embedded base: whole, small, loadable by the ordinary classes, and able to predict both languages."""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from typing import Any

import pytest

from training.tiny import embedded
from userbot.domain.errors import BaseDamagedError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

PACKED = Path(embedded.__file__).parent
SIZE_CAP_BYTES = 16_000_000
CONVERSATION = [
    {"role": "system", "content": "Отвечай коротко."},
    {"role": "user", "content": "Ты уже поужинал?"},
    {"role": "assistant", "content": "Еще нет, жду тебя."},
    {"role": "user", "content": "буду через час)))"},
    {"role": "assistant", "content": "Хорошо, тогда поставлю чайник."},
]
# Written for this test, so in no training data.
UNSEEN = [
    ("Ты забыл зонт у нас в коридоре.", "Точно! Заберу его завтра утром."),
    ("Кто сегодня моет посуду?", "Я мыл вчера, так что теперь твоя очередь."),
    ("My sister is learning to play the guitar.", "That's great! Does she like it?"),
    ("Have you ever seen a whale?", "No, but I would love to see one some day."),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return embedded.materialise(tmp_path_factory.mktemp("bases"))


@pytest.fixture(scope="module")
def tokenizer(folder: Path) -> Any:
    return transformers.AutoTokenizer.from_pretrained(folder, local_files_only=True)


@pytest.fixture(scope="module")
def model(folder: Path) -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(folder, local_files_only=True).eval()


@pytest.fixture
def packed_copy(tmp_path: Path) -> Path:
    copy = tmp_path / "packed"
    copy.mkdir()
    for name in (*embedded.COPIED, embedded.WEIGHTS, embedded.CHECKSUMS):
        shutil.copy(PACKED / name, copy / name)
    return copy


def test_checksums_are_read_as_sha256sum_writes_them() -> None:
    assert embedded.read_checksums("ab12  config.json\n\ncd34  name with spaces\n") == {
        "config.json": "ab12",
        "name with spaces": "cd34",
    }
    with pytest.raises(ValueError, match="not enough values"):
        embedded.read_checksums("ab12\n")


def test_committed_files_stay_below_the_size_cap() -> None:
    assert sum(path.stat().st_size for path in PACKED.iterdir() if path.is_file()) <= SIZE_CAP_BYTES


def test_model_is_a_mistral_whose_layers_quantise_to_4_bit(model: Any) -> None:
    assert model.config.model_type == "mistral"
    assert sum(p.numel() for p in model.parameters()) < 16_000_000
    linear = [module for name, module in model.named_modules() if isinstance(module, torch.nn.Linear)]
    assert all(size % 64 == 0 for module in linear for size in module.weight.shape)


def test_second_expansion_finds_the_first(folder: Path) -> None:
    before = (folder / embedded.EXPANDED).stat().st_mtime_ns
    assert embedded.materialise(folder.parent) == folder
    assert (folder / embedded.EXPANDED).stat().st_mtime_ns == before


def test_expansion_leaves_nothing_else_in_the_cache(folder: Path) -> None:
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_expanded_folder_that_was_damaged_is_made_again(folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    (copy / embedded.EXPANDED).write_bytes(b"cut off")
    assert embedded.materialise(tmp_path) == copy
    assert (copy / embedded.EXPANDED).read_bytes() == (folder / embedded.EXPANDED).read_bytes()


def test_expands_from_a_folder_that_is_read_only(packed_copy: Path, tmp_path: Path) -> None:
    packed_copy.chmod(0o555)
    try:
        expanded = embedded.materialise(tmp_path / "cache", source=packed_copy)
    finally:
        packed_copy.chmod(0o755)
    assert (expanded / embedded.EXPANDED).exists()


def test_damaged_weights_are_refused_and_nothing_is_left(packed_copy: Path, tmp_path: Path) -> None:
    weights = packed_copy / embedded.WEIGHTS
    data = bytearray(weights.read_bytes())
    data[len(data) // 2] ^= 1
    weights.write_bytes(data)
    with pytest.raises(BaseDamagedError) as caught:
        embedded.materialise(tmp_path / "cache", source=packed_copy)
    assert str(caught.value) == (
        f"the embedded base is damaged: {weights} is missing or differs from its checksum; install again with "
        "`pip install --force-reinstall '.[train]'` in the program's folder, "
        "or in a checkout run `git checkout -- training/tiny`"
    )
    assert list((tmp_path / "cache").iterdir()) == []


@pytest.mark.parametrize("name", [embedded.CHECKSUMS, embedded.WEIGHTS, "tokenizer.json"])
def test_missing_packed_file_is_refused(packed_copy: Path, tmp_path: Path, name: str) -> None:
    (packed_copy / name).unlink()
    with pytest.raises(BaseDamagedError, match=name):
        embedded.materialise(tmp_path / "cache", source=packed_copy)


@pytest.mark.parametrize("start", [0, 1])
def test_prompt_of_each_turn_begins_the_conversation_after_it(tokenizer: Any, start: int) -> None:
    turns = CONVERSATION[start:]
    for count in range(1, len(turns)):
        prompt = tokenizer.apply_chat_template(turns[:count], tokenize=False, add_generation_prompt=True)
        longer = tokenizer.apply_chat_template(turns[: count + 1], tokenize=False)
        assert longer.startswith(prompt)
        assert len(longer) > len(prompt)


def test_system_text_is_folded_into_the_first_user_turn(tokenizer: Any) -> None:
    text = tokenizer.apply_chat_template(CONVERSATION[:3], tokenize=False)
    assert text == "<s>[INST] Отвечай коротко.\n\nТы уже поужинал?[/INST] Еще нет, жду тебя.</s>"


def test_template_refuses_two_turns_of_one_side(tokenizer: Any) -> None:
    with pytest.raises(Exception, match="roles must alternate"):
        tokenizer.apply_chat_template([CONVERSATION[1], CONVERSATION[1]], tokenize=False)


@pytest.mark.parametrize(
    "text",
    ["Съешь ещё этих мягких французских булок", "don't   worry\n\nbe happy", "кста)))", "❤️‍🔥😂😂👍🏽 ок", "日本 ∑"],
)
def test_text_survives_the_tokenizer(tokenizer: Any, text: str) -> None:
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


@pytest.mark.parametrize("text", [" 😂", ")))", "</s>", "[INST]", "[/INST]"])
def test_chat_signs_are_one_token(tokenizer: Any, text: str) -> None:
    assert len(tokenizer(text, add_special_tokens=False)["input_ids"]) == 1


def test_unseen_dialogues_cost_far_less_than_chance(model: Any, tokenizer: Any) -> None:
    nats = tokens = 0.0
    for question, answer in UNSEEN:
        turns = [{"role": "user", "content": question}, {"role": "assistant", "content": answer}]
        ids = torch.tensor(
            [tokenizer(tokenizer.apply_chat_template(turns, tokenize=False), add_special_tokens=False)["input_ids"]]
        )
        with torch.no_grad():
            nats += model(input_ids=ids, labels=ids).loss.item() * (ids.shape[1] - 1)
        tokens += ids.shape[1] - 1
    assert nats / tokens < 0.5 * math.log(len(tokenizer))


def test_greedy_replies_end_on_their_own_in_the_language_of_the_question(model: Any, tokenizer: Any) -> None:
    for question, alphabet in (
        ("Hi, how are you?", "abcdefghijklmnopqrstuvwxyz"),
        ("Привет, как дела?", "абвгдежзиклмнопрстуя"),
    ):
        text = tokenizer.apply_chat_template([{"role": "user", "content": question}], tokenize=False)
        ids = tokenizer(text, add_special_tokens=False, return_tensors="pt")["input_ids"]
        reply = model.generate(ids, max_new_tokens=48, do_sample=False)[0, ids.shape[1] :]
        assert reply[-1] == tokenizer.eos_token_id
        letters = [letter for letter in tokenizer.decode(reply, skip_special_tokens=True).lower() if letter.isalpha()]
        assert letters
        assert sum(letter in alphabet for letter in letters) / len(letters) > 0.8
