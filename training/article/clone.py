"""The article's library, one call a step: load a model, train it on groups of turns, sample from it.

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
from training.loop.trainer import Layout, Trainer
from training.model.base import dequantise_weights, load_base, quiet_deprecations, resolve_base
from training.model.causal_lm import make_causal_lm
from training.model.device import inspect_device
from training.model.memory import fit_plan, is_worth_dequantising, read_dims
from training.progress import NoProgress, Progress
from training.serving.adapter_slot import AdapterSlot
from training.serving.generation import draw_tokens, list_end_ids
from training.serving.stopping import Watch
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
        test_size: Share of the rows, the last ones, kept for evaluation.
        train: Overrides of the preset `article`, such as `{"epochs": 1}`.
        models_dir: Where the embedded base is unpacked.
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
        config: Kept as `args`.

    Raises:
        ConfigError: The model can't be had.
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
        """Return the model of transformers, in peft's wrapper once it has an adapter."""
        return self.slot.model

    def sample(self, text: str, *, max_new_tokens: int = 128, max_length: int = 512, **drawn: Any) -> str:
        """Continue a conversation with the owner's next turn, and return that alone.

        Args:
            text: `User: …` and `Clone: …` lines; lines before the first mark are the peer's.
            max_new_tokens: Longest continuation, tokens.
            max_length: Longest prompt, tokens; the newest turns are kept.
            drawn: More fields of `Sampling`, such as `temperature=0` or `seed=1`.
        """
        prompt = self.renderer.prompt(parse_prompt(text), max_tokens=max_length)
        watch = Watch(
            self.tokenizer, len(prompt), should_stop=lambda: False, on_token=None, marks=("\nUser:", "\nClone:")
        )
        autocast = torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype is not torch.float32)
        self.model.eval()
        with autocast:
            new = draw_tokens(
                self.model,
                prompt,
                sampling=Sampling(max_new_tokens=max_new_tokens, **drawn),
                end_ids=list_end_ids(self.tokenizer, self.renderer),
                watch=watch,
            )
        return "\n".join(self.renderer.parse(self.tokenizer.decode(new)))

    def add_adapters(self, path: str | Path) -> None:
        """Put a saved adapter on the model, in place of the one it has.

        Raises:
            BaseMismatchError: It does not fit this model.
            AdapterDamagedError: It can't be read.
        """
        self.slot.activate(Path(path))

    def encode(self, prompts: Iterable[str]) -> Tokens:
        """Encode rows of `process_tg_data`. The owner's turns are learned, with the token that ends each.

        A row that is too long loses its oldest turns, and its last turn, if need be, its oldest words.
        """
        rows = []
        for prompt in prompts:
            turns = parse_prompt(prompt)
            encoded = self._encode(turns)
            while len(encoded.ids) > self.args.max_length and len(turns) > 1:
                turns = turns[1:]
                encoded = self._encode(turns)
            rows.append(Encoded(encoded.ids[-self.args.max_length :], encoded.loss_mask[-self.args.max_length :]))
        return flatten(rows, count=lambda ids: len(self.tokenizer.decode(ids, skip_special_tokens=True)))

    def _encode(self, turns: tuple[Turn, ...]) -> Encoded:
        supervised = tuple(turn.mine for turn in turns)
        return self.renderer.encode(Sample(turns, supervised, None, 0, _UNKNOWN))


def train_clone(clone: LLMClone, dataset: Any, *, progress: Progress | None = None) -> dict[str, Any]:
    """Train a clone with the article's settings, and save the adapter to `clone.args.output_path`.

    A clone that has an adapter goes on with it. Afterwards the model is in evaluation mode again.

    Args:
        clone: Changed in place.
        dataset: From `process_tg_data`: a `datasets.Dataset` or a data frame with the column `prompt`; or a list.
        progress: Who is told.

    Returns:
        Held-out scores, `before` and `after`, where there were rows enough to hold some out.

    Raises:
        TooLittleDataError: No row holds a turn of the owner's.
    """
    told = progress or NoProgress()
    rows = [str(row) for row in (dataset if isinstance(dataset, list) else dataset[COLUMN])]
    n_held_out = int(len(rows) * clone.args.test_size)
    train, held_out = clone.encode(rows[: len(rows) - n_held_out]), clone.encode(rows[len(rows) - n_held_out :])
    if not len(train):
        raise TooLittleDataError(
            f"None of the {len(rows)} rows holds a turn that begins with `Clone:`. Make them with process_tg_data."
        )
    for line in clone.slot.make_trainable(clone.settings.lora, seed=clone.settings.seed):
        told.report(Note(line))
    trainer = _make_trainer(clone, train, told)
    max_pack_tokens = trainer.layout.max_pack_tokens
    scores = {"before": evaluate(trainer.lm, held_out, max_pack_tokens=max_pack_tokens, packed=trainer.layout.packed)}
    trainer.run()
    scores["after"] = evaluate(trainer.lm, held_out, max_pack_tokens=max_pack_tokens, packed=trainer.layout.packed)
    clone.model.eval()
    clone.model.get_base_model().set_attn_implementation("sdpa")  # the packed ones know no cache
    with quiet_deprecations():
        clone.model.save_pretrained(clone.args.output_path, save_embedding_layers=False)
    return {name: score.total.to_json() for name, score in scores.items()} if len(held_out) else {}


def _make_trainer(clone: LLMClone, train: Tokens, progress: Progress) -> Trainer:
    lm = make_causal_lm(clone.model, dtype=clone.dtype, device=clone.device.type)
    longest = clone.args.max_length
    path, line = choose_attention(lm, clone.device, wanted=clone.settings.attention, max_tokens=longest)
    progress.report(Note(line))
    fitted = fit_plan(
        clone.dims,
        clone.settings,
        clone.device,
        longest=longest,
        dtype=clone.dtype,
        dequantised=clone.dequantised,
        masked=path == "sdpa",
    )
    layout = Layout(max_pack_tokens=fitted.max_pack_tokens, checkpointing=fitted.checkpointing, packed=path != "alone")
    plan, _ = plan_batches(clone.settings, train)
    return Trainer(lm=lm, tokens=train, plan=plan, config=clone.settings, layout=layout, progress=progress)
