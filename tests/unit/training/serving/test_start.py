"""Starting the engine: what is refused, with which words, and the check that finds a wrong decoder."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, MistralConfig, MistralForCausalLM, Qwen2Config, Qwen2ForCausalLM

from training.config import make_config
from training.model.base import quiet_deprecations
from training.model.lora import attach_lora
from training.serving.decode_step import DecodeStep
from training.serving.start import EngineLimits, check_adapter, measure_difference, start_engine

SHAPE: dict[str, Any] = {"vocab_size": 64, "hidden_size": 64, "intermediate_size": 64, "num_hidden_layers": 1}
SHAPE |= {"num_attention_heads": 4, "num_key_value_heads": 2}
ON = EngineLimits(mode="on", capacity=80, max_new_tokens=16)


def test_auto_leaves_a_cpu_alone_and_says_how_to_use_it(model: Any) -> None:
    engine, line = start_engine(model, EngineLimits())
    assert engine is None
    assert "there is no GPU; CLONE_GENERATOR__ENGINE=on" in line


def test_off_is_off(model: Any) -> None:
    assert start_engine(model, EngineLimits(mode="off")) == (
        None,
        "engine: not used, replies are generated one by one, because it is switched off",
    )


def test_on_says_what_it_holds_and_that_it_was_checked(model: Any) -> None:
    engine, line = start_engine(model, ON)
    assert engine is not None
    assert line.startswith("engine: 16 replies at once, 32 chats of 80 tokens kept in ")
    assert measure_difference(engine, model) < 1e-5


def test_too_little_memory_is_refused_with_the_numbers() -> None:
    with torch.random.fork_rng():
        model = MistralForCausalLM(MistralConfig(**{**SHAPE, "num_hidden_layers": 2}, sliding_window=None)).eval()
    engine, line = start_engine(model, EngineLimits(mode="on", capacity=1_000_000, memory_bytes=1 << 28))
    assert engine is None
    assert "a chat of 1000000 tokens takes 0.48 GiB and 0.25 GiB may be taken" in line


def make_qwen() -> Any:
    return Qwen2ForCausalLM(Qwen2Config(**SHAPE))


def make_gpt2() -> Any:
    return GPT2LMHeadModel(GPT2Config(vocab_size=64, n_embd=64, n_layer=1, n_head=2))


def make_gelu() -> Any:
    return MistralForCausalLM(MistralConfig(**SHAPE, hidden_act="gelu"))


def make_narrow() -> Any:
    return MistralForCausalLM(MistralConfig(**SHAPE, sliding_window=32))


def make_scaled() -> Any:
    rope = {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 10000.0}
    return MistralForCausalLM(MistralConfig(**SHAPE, rope_parameters=rope))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (make_qwen, "bias"),
        (make_gpt2, "parts that it does not know"),
        (make_gelu, "activation gelu"),
        (make_narrow, "window of 32"),
        (make_scaled, "rotary embedding dynamic"),
    ],
)
def test_models_with_other_parts_are_left_as_they_are(make: Any, words: str) -> None:
    with torch.random.fork_rng():
        model = make().eval()
    engine, line = start_engine(model, ON)
    assert engine is None
    assert words in line


def test_a_decoder_that_computes_something_else_is_found(model: Any) -> None:
    engine, _ = start_engine(model, ON)
    assert engine is not None
    engine.decoder._scale *= 1.2
    problem, error = check_adapter(engine, model)
    assert problem is not None
    assert problem.startswith("results differ (relative error ")
    assert error > 1e-3


def test_a_check_that_fails_is_a_problem_and_not_the_end(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = start_engine(model, ON)
    assert engine is not None

    def fail(*_: Any) -> Any:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(engine.decoder, "run_layer", fail)
    assert check_adapter(engine, model)[0] == "the check fails: RuntimeError"


def test_a_step_that_fails_is_found_before_anybody_waits_for_it(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> Any:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(DecodeStep, "_sample", fail)
    engine, line = start_engine(model, ON)
    assert engine is None
    assert line.endswith("because a first step fails: RuntimeError")


def test_an_adapter_of_another_kind_is_left_to_peft(model: Any) -> None:
    import peft

    engine, _ = start_engine(model, ON)
    assert engine is not None
    with quiet_deprecations():
        adapted = peft.get_peft_model(model, peft.LoraConfig(r=4, target_modules=["q_proj"], use_dora=True))
    problem, _ = check_adapter(engine, adapted)
    assert problem == (
        "this adapter has parts that it does not know: an adapter that does more than add a product of two matrices"
    )


def test_an_adapter_of_larger_rank_is_left_to_peft(model: Any) -> None:
    engine, _ = start_engine(model, ON)
    assert engine is not None
    adapted, _ = attach_lora(model, make_config("default", {"lora": {"r": 24}}).lora, seed=1)
    assert check_adapter(engine, adapted)[0] == "this adapter has parts that it does not know: an adapter of rank 24"
