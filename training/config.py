"""Training configuration: one tree of frozen values, presets, and overrides from flags, a file or the environment."""

from __future__ import annotations

import tomllib
import warnings
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from userbot.config.explain import explain, list_fields, suggest
from userbot.config.former_names import FormerNameWarning
from userbot.domain.errors import ConfigError
from userbot.domain.prompt_rules import DEFAULT_RULES, CustomPattern
from userbot.domain.sampling import Sampling

MISTRAL = "mistralai/Mistral-7B-Instruct-v0.3"
TINY = "tiny"

FORMER_FIELDS = {"row_tokens": "max_pack_tokens"}
FORMER_VALUES = {"attention": {"rows": "packed", "segments": "per_sample", "alone": "unpacked"}}


class DataConfig(BaseModel):
    """Which messages become samples, and how they are cut."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_gap_h: float = Field(
        DEFAULT_RULES.session_gap / timedelta(hours=1), gt=0, description="Silence that ends a conversation, hours"
    )
    max_tokens: int = Field(1024, ge=32, description="Longest sample, tokens; whole turns, newest kept")
    held_out: float = Field(
        0.1, gt=0, lt=0.5, description="Share of your turns kept for evaluation: the newest sessions"
    )
    min_turns: int = Field(40, ge=1, description="Number of your turns below which training refuses to start")
    chat_share: float = Field(0.35, gt=0, le=1, description="Largest share of your turns that one chat may have")
    half_life_days: float | None = Field(None, gt=0, description="Age at which a session counts half; empty: all alike")
    repeats: int = Field(3, ge=1, description="How often one and the same turn of yours may be trained on")
    system_line: bool = Field(DEFAULT_RULES.system_line, description="Begin with a line that says who the contact is")
    mask: bool = Field(True, description="Replace phones, cards, passwords, addresses and the like by placeholders")
    mask_names: bool = Field(False, description="Mask names of people too; needs the extra `names`")
    patterns: dict[str, str] = Field(
        default_factory=dict, description="Your own patterns to mask: regular expressions by name"
    )
    instruct_mix: Path | None = Field(None, description="JSONL of instruction data (messages format) to mix in")
    instruct_ratio: float = Field(0.1, ge=0, lt=1, description="Share of mixed-in samples")
    replay: float = Field(
        0.5, ge=0, lt=1, description="When continuing from an adapter: share of samples that it was trained on before"
    )

    @field_validator("patterns")
    @classmethod
    def _check_patterns(cls, value: dict[str, str]) -> dict[str, str]:
        if not value:
            return value
        from userbot.trust.detectors.custom import check_patterns  # compiles every pattern of ours, which takes a while

        try:
            check_patterns(CustomPattern(name, pattern) for name, pattern in value.items())
        except ConfigError as exc:
            text = str(exc).rstrip(".")
            raise ValueError(text[0].lower() + text[1:]) from None
        return value


class LoraSettings(BaseModel):
    """Shape of the adapter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    r: int = Field(16, ge=1, description="Rank")
    alpha: int = Field(32, ge=1, description="Scale numerator")
    dropout: float = Field(0.0, ge=0, lt=1, description="Dropout on the adapter's input")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        description="Layers that it adapts",
    )


class GateConfig(BaseModel):
    """How much worse than the active adapter a new one may be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    prompts: int = Field(64, ge=1, description="Held-out contexts that both answer")
    loss_margin: float = Field(0.02, ge=0, description="Allowed growth of bits per character, as a share")
    likeness_margin: float = Field(0.05, ge=0, le=1, description="Allowed loss of likeness, which runs from 0 to 1")
    rate_margin: float = Field(
        0.1, ge=0, le=1, description="Allowed growth of the shares of empty, overlong, repetitive and copied replies"
    )
    max_new_tokens: int = Field(
        Sampling().max_new_tokens, ge=1, description="Longest reply, tokens; as the daemon has it"
    )
    seed: int = Field(7, description="Seed of the generated replies, the same for both")


class TrainConfig(BaseModel):
    """Everything that decides a training run; the manifest holds all of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: str = Field("default", description="default, tiny, small or article")
    base: str | None = Field(None, description="tiny, a hub name or a folder; empty: chosen by the machine")
    load_in_4bit: bool = Field(True, description="NF4 with double quantisation")
    compute_dtype: Literal["auto", "bfloat16", "float16", "float32"] = Field(
        "auto", description="auto: bfloat16 where fast"
    )
    text_format: Literal["auto", "chat", "text"] = Field("auto", description="chat template of the base, or plain text")
    data: DataConfig = DataConfig()  # type: ignore[call-arg]  # every field has a default
    lora: LoraSettings = LoraSettings()  # type: ignore[call-arg]  # every field has a default
    gate: GateConfig = GateConfig()  # type: ignore[call-arg]  # every field has a default
    epochs: float = Field(3.0, gt=0, description="Passes over the data")
    max_steps: int | None = Field(None, ge=1, description="Stop after these updates; empty: after the epochs")
    learning_rate: float = Field(2e-4, gt=0, description="Peak learning rate")
    schedule: Literal["cosine", "linear", "constant"] = Field("cosine", description="Course of the learning rate")
    warmup_steps: int = Field(10, ge=0, description="Updates until the peak")
    weight_decay: float = Field(0.0, ge=0, description="AdamW's weight decay")
    max_grad_norm: float = Field(1.0, gt=0, description="Clip gradients to this norm")
    batch_tokens: int = Field(8192, ge=64, description="Tokens of one optimiser update, packed")
    batch_samples: int | None = Field(None, ge=1, description="Most samples of one update; empty: as many as fit")
    max_pack_tokens: int | None = Field(
        None, ge=64, description="Tokens of one forward pass; empty: fitted to the machine"
    )
    checkpointing: bool | None = Field(
        None, description="Recompute activations to save memory; empty: where the machine needs it"
    )
    attention: Literal["auto", "packed", "varlen", "per_sample", "sdpa", "unpacked"] = Field(
        "auto", description="How packed samples are kept apart; auto takes the quickest that is right here"
    )
    compile: bool | None = Field(None, description="Fuse or compile the layers; empty: with CUDA")
    optimizer: Literal["adamw", "paged_adamw_8bit"] = Field("adamw", description="Optimiser")
    save_every: int = Field(100, ge=1, description="Updates between checkpoints")
    evaluate_every: int | None = Field(None, ge=1, description="Updates between evaluations; empty: once an epoch")
    seed: int = Field(7, description="Seed of shuffling and dropout")

    @model_validator(mode="before")
    @classmethod
    def _read_former_names(cls, values: Any) -> Any:
        """Read the configuration of an older manifest or of an interrupted run."""
        return rename_former(values)[0] if isinstance(values, Mapping) else values


PRESETS: dict[str, dict[str, Any]] = {
    "default": {},
    # Chosen automatically for the embedded base, which is small enough to learn much faster and needs smaller updates.
    "tiny": {"learning_rate": 1.5e-3, "batch_tokens": 1024, "data": {"max_tokens": 512}},
    "small": {
        "max_pack_tokens": 4096,
        "checkpointing": True,
        "optimizer": "paged_adamw_8bit",
        "data": {"max_tokens": 512},
    },
    "article": {
        "base": "mistralai/Mistral-7B-v0.1",
        "text_format": "text",
        "compute_dtype": "float16",
        "data": {"max_tokens": 256, "held_out": 0.1},
        "lora": {"r": 8, "alpha": 32, "dropout": 0.05, "targets": ("q_proj", "k_proj", "v_proj", "o_proj")},
        "epochs": 10.0,
        "schedule": "linear",
        "warmup_steps": 2,
        "batch_tokens": 4096,
        "checkpointing": True,
        "optimizer": "paged_adamw_8bit",
        "save_every": 1000,
    },
}


def make_config(preset: str = "default", *layers: Mapping[str, Any]) -> TrainConfig:
    """Build a configuration: the preset, then each layer over it, later ones winning.

    Args:
        preset: A name of PRESETS.
        layers: Nested values, such as `{"lora": {"r": 8}}`; a dotted key, `lora.r`, means the same. For each former
            name or value there is a `FormerNameWarning` with a line for the owner.

    Raises:
        ConfigError: Unknown preset, unknown field or bad value; the text names the field.
    """
    if preset not in PRESETS:
        raise ConfigError(f"Unknown preset {preset!r}: choose one of {', '.join(PRESETS)} with --preset.")
    merged: dict[str, Any] = {}
    former: list[str] = []
    for layer in (PRESETS[preset], *layers):
        renamed, lines = rename_former(layer)
        for line in lines:
            warnings.warn(FormerNameWarning(line), stacklevel=2)
        former.extend(lines)
        _merge(merged, renamed)
    merged["preset"] = preset
    try:
        return TrainConfig.model_validate(merged)
    except ValidationError as exc:
        raise ConfigError(" ".join([_explain(exc), *former, "`clone train --settings` lists all settings."])) from None


def rename_former(values: Mapping[str, Any]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Put training settings under today's names and values.

    Args:
        values: Settings, some maybe as former versions called them. Of a setting that stands there under both names,
            today's counts.

    Returns:
        The settings, and a line for the owner about each that was renamed.
    """
    renamed, lines = dict(values), []
    for former, name in FORMER_FIELDS.items():
        if former in renamed:
            effect = f"is ignored, since {name} is set" if name in renamed else "still works"
            lines.append(f"The training setting {former} is called {name} now; the former name {effect}.")
            value = renamed.pop(former)
            renamed.setdefault(name, value)
    for name, former_values in FORMER_VALUES.items():
        value = renamed.get(name)
        if isinstance(value, str) and value in former_values:
            renamed[name] = former_values[value]
            today = f"{name}={renamed[name]}"
            lines.append(f"The training setting {name}={value} is called {today} now; the former value still works.")
    return renamed, tuple(lines)


def _explain(exc: ValidationError) -> str:
    first = exc.errors(include_url=False)[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return f"The training setting {name} is {first.get('input')!r}, but {explain(first, TrainConfig)}."
    meant = suggest(name, (known for known, _ in list_fields(TrainConfig)))
    return f"There is no training setting {name!r}." + (f" Did you mean {' or '.join(meant)}?" if meant else "")


def adapt_to_base(config: TrainConfig, base: str) -> tuple[TrainConfig, str | None]:
    """Take the preset `tiny` in place of `default` for the embedded base, below everything that was set explicitly.

    Args:
        config: As it was put together.
        base: Name of the base that was chosen.

    Returns:
        The configuration, and a line that says what was changed, or None.
    """
    if base != TINY or config.preset != "default":
        return config, None
    chosen = config.model_dump(exclude_unset=True)
    chosen.pop("preset", None)
    note = f"preset: tiny in place of default, because the base is {TINY} (--preset names another)"
    return make_config("tiny", chosen), note


def read_layer(path: Path) -> dict[str, Any]:
    """Read a TOML file of training settings.

    Args:
        path: The file.

    Raises:
        ConfigError: It is missing or no TOML.
    """
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as exc:
        raise ConfigError(f"The training file {path} can't be read: {exc.strerror}. Check --config.") from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigError(f"The training file {path} is not TOML: {exc}. Write lines such as: epochs = 2") from exc


def _merge(target: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        head, _, rest = key.partition(".")
        nested = {rest: value} if rest else value
        if isinstance(nested, Mapping):
            inner = target.setdefault(head, {})
            if isinstance(inner, dict):
                _merge(inner, nested)
                continue
        target[head] = nested
