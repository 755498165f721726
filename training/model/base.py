"""Base models: which one, and loaded how."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from training.config import MISTRAL, TINY
from training.model.hub import hide_loading_bars, offline_if_unreachable
from training.tiny import materialise
from userbot.domain.errors import ConfigError, NotQuantisedError


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseModel:
    """A base model that was chosen.

    Args:
        name: As manifests name it: `tiny`, a hub name or a folder.
        source: What transformers loads: a hub name or a folder.
        reason: A line that says which base is used, and why.
    """

    name: str
    source: str
    reason: str


def resolve_base(name: str | None, *, models_dir: Path, cuda: bool | None = None) -> BaseModel:
    """Choose the base model: the one asked for, else Mistral-7B-Instruct with CUDA and the embedded one without.

    Args:
        name: `tiny`, a hub name, a folder, or None to choose by the device.
        models_dir: Folder where the embedded base is unpacked.
        cuda: Whether there is a CUDA device; None looks.

    Returns:
        The base, not loaded yet.

    Raises:
        ConfigError: A folder was named that does not exist.
    """
    reason = f"base: {name}, as configured"
    if name is None:
        cuda = torch.cuda.is_available() if cuda is None else cuda
        name = MISTRAL if cuda else TINY
        why = "a CUDA device is there" if cuda else "no CUDA device is there"
        reason = f"base: {name}, because {why} and none is configured (CLONE_BASE)"
    if name == TINY:
        return BaseModel(name=name, source=str(materialise(models_dir)), reason=reason)
    folder = Path(name).expanduser()
    if folder.is_dir():
        return BaseModel(name=str(folder.absolute()), source=str(folder.absolute()), reason=reason)
    if folder.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
        raise ConfigError(f"The base model folder {name} does not exist. Check --base or CLONE_BASE.")
    return BaseModel(name=name, source=name, reason=reason)


def load_base(
    base: BaseModel,
    *,
    quantised: bool,
    compute_dtype: torch.dtype,
    attention: str = "sdpa",
    device: str | None = None,
    trainable: bool = True,
) -> tuple[Any, Any]:
    """Load a base model and its tokenizer, without gradients and in evaluation mode.

    Args:
        base: From `resolve_base`.
        quantised: Load linear layers in 4 bit: NF4 with double quantisation.
        compute_dtype: Format of what is not quantised, and of the products.
        attention: A name that transformers knows.
        device: `cuda` or `cpu`; None takes CUDA where it is.
        trainable: It will be trained through; False lets a CPU repack 4-bit weights for quicker replies.

    Returns:
        The model and its tokenizer.

    Raises:
        ConfigError: It can't be found or loaded; the text says why and what to do.
        NotQuantisedError: 4 bit was asked for, and the layers are not 4-bit layers.
    """
    from transformers import AutoModelForCausalLM, BitsAndBytesConfig

    hide_loading_bars()
    # It says on every CPU that an optional package with faster kernels is missing.
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    options: dict[str, Any] = {}
    if quantised:
        options["quantization_config"] = BitsAndBytesConfig(
            load_in_4bit=True,
            bnb_4bit_quant_type="nf4",
            bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=compute_dtype,
        )
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    tokenizer = load_tokenizer(base)
    with map_hub_errors(base.name), quiet_deprecations():
        model = AutoModelForCausalLM.from_pretrained(
            base.source,
            dtype=compute_dtype,
            attn_implementation=attention,
            device_map={"": 0 if device == "cuda" else device},
            **options,
        )
    if quantised:
        check_quantised(model, base.name)
    if trainable:
        keep_differentiable(model)
    return model.requires_grad_(False).eval(), tokenizer


def load_tokenizer(base: BaseModel) -> Any:
    """Load a base model's tokenizer.

    Args:
        base: From `resolve_base`.

    Raises:
        ConfigError: It can't be found or loaded.
    """
    from transformers import AutoTokenizer

    with map_hub_errors(base.name), quiet_deprecations():
        return AutoTokenizer.from_pretrained(base.source)


def keep_differentiable(model: torch.nn.Module) -> None:
    """Keep bitsandbytes from repacking 4-bit weights at the first evaluation on a CPU with AVX512-BF16.

    The repacked form has no backward pass: a training that begins with an evaluation would train nothing through those
    layers, and only a warning would say so.

    Args:
        model: Changed in place.

    Source: `Linear4bit.forward` and `matmul_4bit` of bitsandbytes 0.50.
    """
    flag = "support_avx512bf16_for_cpu"
    for layer in model.modules():
        if hasattr(layer, flag):
            setattr(layer, flag, False)


def count_4bit(model: torch.nn.Module) -> int:
    """Return how many layers bitsandbytes holds in 4 bit.

    Args:
        model: Any model.
    """
    import bitsandbytes

    return sum(isinstance(layer, bitsandbytes.nn.Linear4bit) for layer in model.modules())


def check_quantised(model: Any, name: str) -> None:
    """Make sure that 4 bit was applied.

    Args:
        model: Loaded in 4 bit.
        name: The base's name, for the text.

    Raises:
        NotQuantisedError: No layer is a 4-bit layer, or more weights lie in plain linear layers than in 4-bit ones.
    """
    import bitsandbytes

    head = model.get_output_embeddings()
    linear = [layer for layer in model.modules() if isinstance(layer, torch.nn.Linear) and layer is not head]
    weights = {True: 0, False: 0}
    for layer in linear:
        weights[isinstance(layer, bitsandbytes.nn.Linear4bit)] += layer.in_features * layer.out_features
    if weights[True] <= weights[False]:
        raise NotQuantisedError(
            f"4 bit was asked for, but {count_4bit(model)} of {len(linear)} linear layers of {name} are 4-bit layers. "
            f"Choose a base that bitsandbytes can quantise, or load this one as it is: --set load_in_4bit=false"
        )


def dequantise_weights(model: Any, dtype: torch.dtype) -> Any:
    """Hold the values of 4-bit layers dequantised: the same numbers, more memory, no dequantising at every use.

    Args:
        model: Loaded in 4 bit, without an adapter.
        dtype: Format to hold them in.

    Returns:
        The model with plain linear layers.
    """
    from transformers.utils import logging as transformers_logging

    level = transformers_logging.get_verbosity()
    transformers_logging.set_verbosity_error()  # it warns that precision is lost, which 4 bit means
    try:
        return model.dequantize(dtype=dtype).requires_grad_(False)
    finally:
        transformers_logging.set_verbosity(level)


@contextmanager
def quiet_deprecations() -> Iterator[None]:
    """Suppress the deprecation warnings that libraries give each other about their own next versions."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


@contextmanager
def map_hub_errors(name: str) -> Iterator[None]:
    """Turn errors of loading a model into one that says what to do; offline, only what was fetched before is taken.

    Args:
        name: The base's name.

    Raises:
        ConfigError: Instead of what transformers and the hub's client raise.
    """
    from huggingface_hub import errors

    at_hub = name != TINY and not Path(name).is_dir()
    try:
        with offline_if_unreachable() if at_hub else nullcontext():
            yield
    except (OSError, ValueError, KeyError, ImportError) as exc:
        causes = list(_unroll(exc))
        if any(isinstance(cause, errors.GatedRepoError) for cause in causes):
            raise ConfigError(
                f"The base model {name} asks for consent to its terms: accept them on its page at huggingface.co, "
                f"then run `hf auth login`. Or choose another base with --base."
            ) from exc
        if any(isinstance(cause, errors.RepositoryNotFoundError | errors.HFValidationError) for cause in causes):
            raise ConfigError(
                f"No model {name!r} is on the hub, nor a folder of that name here. "
                f"Check --base: tiny, a hub name such as {MISTRAL}, or a folder."
            ) from exc
        offline = (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled, ConnectionError)
        if any(isinstance(cause, offline) for cause in causes):
            raise ConfigError(
                f"The base model {name} is not on this device, and the hub can't be reached. "
                f"Go online once to fetch it, or name a folder with --base."
            ) from exc
        lines = str(exc).strip().splitlines()
        raise ConfigError(
            f"The base model {name} can't be loaded: {lines[0] if lines else type(exc).__name__}. "
            f"Check that it is a causal language model in Hugging Face form, or choose another with --base."
        ) from exc


def _unroll(exc: BaseException | None) -> Iterator[BaseException]:
    while exc is not None:
        yield exc
        exc = exc.__cause__ or exc.__context__
