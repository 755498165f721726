"""The article's library, one call per step: load a model, train it on groups of turns, sample from it.

::

    dataset = process_tg_data(file_path="result.json", user="Ann", output_format="dataset")
    clone = LLMClone(CloneConfig(model_name="tiny", quantized=True))
    train_clone(clone, dataset)
    clone.sample("User: What are you up to?")
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from training.article.data import COLUMN, parse_prompt
from training.config import make_config
from training.data.render import Renderer
from training.data.samples import Sample
from training.data.tokens import Encoded, Tokens, flatten
from training.events import Note
from training.fast.attention import choose_attention
from training.loop.batches import plan_batches
from training.loop.evaluate import evaluate
from training.loop.layout import make_layout
from training.loop.trainer import Trainer
from training.model.base import dequantise_weights, load_base, quiet_deprecations, resolve_base
from training.model.causal_lm import make_causal_lm
from training.model.device import inspect_device
from training.model.memory import fit_plan, is_worth_dequantising, read_dims
from training.progress import NoProgress, Progress
from training.serving.adapter_slot import AdapterSlot
from training.serving.generation import generate_tokens, list_end_ids
from training.serving.stopping import StopCriterion
from userbot.config.home import DEFAULT_HOME, HomePaths
from userbot.domain.errors import TooLittleDataError
from userbot.domain.messages import Turn
from userbot.domain.sampling import Sampling

_UNKNOWN = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class CloneConfig:
    """What to load and how to train it.

    Args:
        model_name: `tiny`, a hub name or a folder of any causal language model.
        quantized: Load it in 4 bit.
        output_path: Folder that `train_clone` writes the adapter to.
        max_length: Longest sample, tokens; of a longer one the newest words are kept.
        test_size: Share of the rows, the last ones, that is kept for evaluation, 0 to below 1.
        train: Overrides of the preset `article`, such as `{"epochs": 1}`.
        models_dir: Folder that the embedded base is unpacked to.
    """

    model_name: str
    quantized: bool = True
    output_path: str | Path = "clone_peft"
    max_length: int = 256
    test_size: float = 0.1
    train: Mapping[str, Any] = field(default_factory=dict)
    models_dir: str | Path = HomePaths(DEFAULT_HOME).models


class LLMClone:
    """A causal language model that can be trained on conversations and continue them.

    Args:
        config: What to load; kept as `args`.

    Raises:
        ConfigError: The model can't be found or loaded, or a setting of `train` is wrong.
        NotQuantisedError: 4 bit can't be applied.
    """

    def __init__(self, config: CloneConfig) -> None:
        self.args = config
        self.settings = make_config(
            "article", {"base": config.model_name, "load_in_4bit": config.quantized}, config.train
        )
        base = resolve_base(config.model_name, models_dir=Path(config.models_dir).expanduser())
        self.device = inspect_device()
        self.dtype = self.device.choose_dtype(self.settings.compute_dtype)
        self.dims = read_dims(base, self.settings.lora)
        model, self.tokenizer = load_base(
            base, quantised=config.quantized, compute_dtype=self.dtype, device=self.device.type
        )
        self.dequantised = config.quantized and is_worth_dequantising(self.dims, self.device, self.dtype)
        self.slot = AdapterSlot(dequantise_weights(model, self.dtype) if self.dequantised else model)
        self.renderer = Renderer(self.tokenizer, "text")

    @property
    def model(self) -> Any:
        """Return the model of transformers, in peft's wrapper while an adapter is active."""
        return self.slot.model

    def sample(self, text: str, *, max_new_tokens: int = 128, max_length: int = 512, **sampling: Any) -> str:
        """Continue a conversation with the owner's next turn.

        Args:
            text: `User: …` and `Clone: …` lines; lines before the first mark are the contact's.
            max_new_tokens: Longest continuation, tokens.
            max_length: Longest prompt, tokens; the newest turns are kept.
            sampling: More fields of `Sampling`, such as `temperature=0` or `seed=1`.

        Returns:
            The new turn alone, one line per bubble.

        Raises:
            GeneratorError: Memory ran out.
        """
        prompt = self.renderer.prompt(parse_prompt(text), max_tokens=max_length)
        criterion = StopCriterion(
            self.tokenizer, len(prompt), should_stop=lambda: False, stop_texts=self.renderer.stop_texts
        )
        autocast = torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)
        self.model.eval()
        with autocast:
            new = generate_tokens(
                self.model,
                prompt,
                sampling=Sampling(max_new_tokens=max_new_tokens, **sampling),
                end_ids=list_end_ids(self.tokenizer, self.renderer),
                criterion=criterion,
            )
        return "\n".join(self.renderer.parse(self.tokenizer.decode(new)))

    def add_adapters(self, path: str | Path) -> None:
        """Activate a saved adapter, in place of the active one.

        Args:
            path: Folder of the adapter, as `train_clone` writes it.

        Raises:
            BaseMismatchError: It does not fit this model.
            AdapterDamagedError: It can't be read.
        """
        self.slot.activate(Path(path))

    def encode(self, prompts: Iterable[str]) -> Tokens:
        """Encode rows of `process_tg_data`; the owner's turns are supervised, with the token that ends each.

        A row that is too long loses its oldest turns, and its last turn, if necessary, its oldest words.

        Args:
            prompts: Groups of turns as `User: …` and `Clone: …` lines.

        Returns:
            Token arrays; rows without an owner turn are left out.
        """
        samples = []
        for prompt in prompts:
            turns = parse_prompt(prompt)
            encoded = self._encode(turns)
            while len(encoded.ids) > self.args.max_length and len(turns) > 1:
                turns = turns[1:]
                encoded = self._encode(turns)
            samples.append(Encoded(encoded.ids[-self.args.max_length :], encoded.loss_mask[-self.args.max_length :]))
        return flatten(samples, count=lambda ids: len(self.tokenizer.decode(ids, skip_special_tokens=True)))

    def _encode(self, turns: tuple[Turn, ...]) -> Encoded:
        supervised = tuple(turn.mine for turn in turns)
        return self.renderer.encode(Sample(turns, supervised, None, 0, _UNKNOWN))


def train_clone(clone: LLMClone, dataset: Any, *, progress: Progress | None = None) -> dict[str, Any]:
    """Train a clone with the article's settings, and save the adapter to `clone.args.output_path`.

    Training continues from the active adapter, if there is one. Afterwards the model is in evaluation mode again.

    Args:
        clone: The clone to train; it is changed in place.
        dataset: The rows of `process_tg_data`: a `datasets.Dataset`, a data frame with the column `prompt`, or a list.
        progress: Receives the events of the run; None drops them.

    Returns:
        Held-out scores `before` and `after`; empty where there were too few rows to hold any out.

    Raises:
        TooLittleDataError: No row holds a turn of the owner's.
    """
    progress = progress or NoProgress()
    rows = [str(row) for row in (dataset if isinstance(dataset, list) else dataset[COLUMN])]
    n_held_out = int(len(rows) * clone.args.test_size)
    train, held_out = clone.encode(rows[: len(rows) - n_held_out]), clone.encode(rows[len(rows) - n_held_out :])
    if not len(train):
        raise TooLittleDataError(
            f"None of the {len(rows)} rows holds a turn that begins with `Clone:`. Make them with process_tg_data."
        )
    for note in clone.slot.make_trainable(clone.settings.lora, seed=clone.settings.seed):
        progress.report(Note(note))
    trainer = _make_trainer(clone, train, progress)
    max_pack_tokens = trainer.layout.max_pack_tokens
    scores = {"before": evaluate(trainer.lm, held_out, max_pack_tokens=max_pack_tokens, packed=trainer.layout.packed)}
    trainer.run()
    scores["after"] = evaluate(trainer.lm, held_out, max_pack_tokens=max_pack_tokens, packed=trainer.layout.packed)
    clone.model.eval()
    clone.model.get_base_model().set_attn_implementation("sdpa")  # those for packed sequences know no cache
    with quiet_deprecations():
        clone.model.save_pretrained(clone.args.output_path, save_embedding_layers=False)
    return {name: score.total.to_json() for name, score in scores.items()} if len(held_out) else {}


def _make_trainer(clone: LLMClone, train: Tokens, progress: Progress) -> Trainer:
    lm = make_causal_lm(clone.model, dtype=clone.dtype, device=clone.device.type)
    max_length = clone.args.max_length
    path, note = choose_attention(lm, clone.device, requested=clone.settings.attention, max_tokens=max_length)
    progress.report(Note(note))
    plan = fit_plan(
        clone.dims,
        clone.settings,
        clone.device,
        max_seqlen=max_length,
        dtype=clone.dtype,
        dequantised=clone.dequantised,
        masked=path == "sdpa",
    )
    batches, _ = plan_batches(clone.settings, train)
    return Trainer(
        lm=lm,
        tokens=train,
        batches=batches,
        config=clone.settings,
        layout=make_layout(plan, path),
        progress=progress,
    )
