"""Generation: which tokens end a reply, and how the next ones are sampled."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
import torch
from models import make_tokenizer
from transformers import MistralConfig, MistralForCausalLM

from training.data.render import Renderer
from training.serving.generation import generate_tokens, list_end_ids
from training.serving.stopping import StopCriterion
from userbot.domain.errors import GeneratorError
from userbot.domain.sampling import Sampling

END = 2
PROMPT = [1, 50, 51]
LIKELY, LESS_LIKELY, UNLIKELY = 10, 20, 30
CONFIG = MistralConfig(
    vocab_size=64, hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, num_key_value_heads=1
)


class FixedOdds(torch.nn.Module):
    """Gives every next token the same logits, whatever was read."""

    def __init__(self, logits: dict[int, float]) -> None:
        super().__init__()
        self.logits = torch.full((CONFIG.vocab_size,), -100.0)
        for token, value in logits.items():
            self.logits[token] = value

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*states.shape[:-1], -1).clone()


def generate(logits: dict[int, float], *, should_stop: bool = False, **sampling: Any) -> list[int]:
    with torch.random.fork_rng():
        model: Any = MistralForCausalLM(CONFIG).eval()
    model.set_output_embeddings(FixedOdds(logits))
    criterion = StopCriterion(make_tokenizer(), len(PROMPT), should_stop=lambda: should_stop)
    values = Sampling(**{"repetition_penalty": 1.0, "max_new_tokens": 200, **sampling})
    return generate_tokens(model, PROMPT, sampling=values, end_ids=[END], criterion=criterion)


def test_temperature_0_takes_the_likeliest_token_up_to_the_limit() -> None:
    assert generate({LIKELY: 2.0, LESS_LIKELY: 1.9}, temperature=0, max_new_tokens=5) == [LIKELY] * 5


def test_an_end_token_ends_the_reply_and_is_its_last() -> None:
    assert generate({END: 5.0, LIKELY: 1.0}, temperature=0) == [END]


def test_the_criterion_ends_the_reply() -> None:
    assert generate({LIKELY: 1.0}, temperature=0, should_stop=True) == [LIKELY]


def test_tokens_outside_top_p_are_never_sampled() -> None:
    counts = Counter(generate({LIKELY: 2.0, LESS_LIKELY: 1.0, UNLIKELY: -3.0}, temperature=1.0, top_p=0.95, seed=1))
    assert set(counts) == {LIKELY, LESS_LIKELY}
    assert counts[LIKELY] > counts[LESS_LIKELY]


def test_more_than_50_tokens_can_be_sampled() -> None:
    # The default of transformers keeps the 50 likeliest.
    logits = {token: 1.0 - token / 1000 for token in range(3, 64)}
    sampled = generate(logits, temperature=1.0, top_p=1.0, seed=1, max_new_tokens=500)
    assert len(set(sampled)) > 50


def test_a_seed_makes_a_reply_repeatable_and_leaves_the_global_generator_alone() -> None:
    logits = {LIKELY: 1.0, LESS_LIKELY: 1.0}
    state = torch.get_rng_state()
    replies = [generate(logits, seed=seed, max_new_tokens=30) for seed in (5, 5, 6)]
    assert replies[0] == replies[1] != replies[2]
    assert torch.equal(torch.get_rng_state(), state)


def test_the_repetition_penalty_counts_the_reply_and_not_the_prompt() -> None:
    # 50 stands in the prompt: a penalty on it would let the other token win from the start.
    assert generate({50: 2.0, LIKELY: 1.5}, temperature=0, repetition_penalty=2.0, max_new_tokens=2) == [50, LIKELY]


def test_running_out_of_memory_says_what_to_lower() -> None:
    class Full:
        device = torch.device("cpu")

        def generate(self, **_: Any) -> torch.Tensor:
            raise torch.OutOfMemoryError

    criterion = StopCriterion(make_tokenizer(), len(PROMPT), should_stop=lambda: False)
    with pytest.raises(GeneratorError) as raised:
        generate_tokens(Full(), PROMPT, sampling=Sampling(), end_ids=[END], criterion=criterion)
    assert str(raised.value) == "Memory ran out on a prompt of 3 tokens. Lower CLONE_REPLY__CONTEXT_TOKENS."


def test_special_tokens_and_those_of_the_renderer_end_a_reply() -> None:
    tokenizer = make_tokenizer()
    assert list_end_ids(tokenizer, Renderer(tokenizer)) == [0, 1, END]
