"""The engine: replies of several chats together are the replies of each alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from training.serving.engine import SIZES, Engine, Request
from training.serving.generation import generate_tokens
from training.serving.stopping import StopCriterion
from userbot.domain.errors import GeneratorError
from userbot.domain.sampling import Sampling

Make = Callable[..., Engine]
PROMPTS = [np.random.default_rng(seed).integers(3, 250, 10 + 17 * seed).tolist() for seed in range(5)]


def ask(prompt: Sequence[int], *, new: int = 12, end: int = -1, **values: Any) -> Request:
    sampling = Sampling(**{"temperature": 0.0, "max_new_tokens": new, **values})
    return Request(prompt=list(prompt), sampling=sampling, end_ids=frozenset({end}))


def run(engine: Engine, *requests: Request) -> list[list[int]]:
    engine.generate(*requests)
    return [request.tokens for request in requests]


def one_token_bytes(engine: Engine) -> int:
    return (engine.capacity + 2) * engine.decoder.bytes_per_token


def test_replies_are_those_of_the_model_as_transformers_runs_it(make_engine: Make, model: Any) -> None:
    found = run(make_engine(), *(ask(prompt, repetition_penalty=1.2) for prompt in PROMPTS))
    for prompt, tokens in zip(PROMPTS, found, strict=True):
        criterion = StopCriterion(None, len(prompt), should_stop=lambda: False)
        sampling = Sampling(temperature=0.0, max_new_tokens=12, repetition_penalty=1.2)
        assert tokens == generate_tokens(model, prompt, sampling=sampling, end_ids=[0], criterion=criterion)


def test_a_seed_gives_the_same_reply_in_any_company(make_engine: Make) -> None:
    alone = [run(make_engine(), ask(prompt, temperature=1.0, seed=7))[0] for prompt in PROMPTS]
    together = run(make_engine(), *(ask(prompt, temperature=1.0, seed=7) for prompt in PROMPTS))
    assert together == alone
    assert run(make_engine(), ask(PROMPTS[0], temperature=1.0, seed=8))[0] != alone[0]


def test_more_replies_than_fit_wait_for_their_turn(make_engine: Make) -> None:
    engine = make_engine()
    slots = 2
    few = make_engine(memory_bytes=slots * one_token_bytes(engine))
    assert few.rows == slots
    expected = run(engine, *(ask(prompt) for prompt in PROMPTS))
    assert run(few, *(ask(prompt) for prompt in PROMPTS)) == expected
    many = [ask(PROMPTS[number % 5], new=3 + number % 4) for number in range(SIZES[-1] + 9)]
    assert [len(tokens) for tokens in run(engine, *many)] == [3 + number % 4 for number in range(len(many))]


def test_a_reply_joins_and_leaves_while_another_goes_on(make_engine: Make) -> None:
    engine = make_engine()
    begun, order = threading.Event(), []
    short = ask(PROMPTS[1], new=5)

    def check(tokens: Sequence[int]) -> bool:
        if len(tokens) == 3:
            begun.set()
            waited = threading.Event()
            for _ in range(200):
                if engine._waiting:
                    break
                waited.wait(0.01)
        return False

    long = ask(PROMPTS[0], new=50)
    long.check = check

    def join() -> None:
        begun.wait(10)
        engine.generate(short)
        order.append(("short", len(long.tokens)))

    thread = threading.Thread(target=join)
    thread.start()
    engine.generate(long)
    thread.join(10)
    assert order[0][1] < 50
    assert run(make_engine(), ask(PROMPTS[0], new=50), ask(PROMPTS[1], new=5)) == [long.tokens, short.tokens]


def test_a_cancelled_reply_ends_at_its_token_and_the_others_go_on(make_engine: Make) -> None:
    stopped, other = ask(PROMPTS[0], new=30), ask(PROMPTS[1], new=30)
    stopped.check = lambda tokens: len(tokens) == 4
    found = run(make_engine(), stopped, other)
    assert [len(tokens) for tokens in found] == [4, 30]
    assert found[1] == run(make_engine(), ask(PROMPTS[1], new=30))[0]


def test_a_reply_cancelled_while_it_waits_never_begins(make_engine: Make) -> None:
    waiting = ask(PROMPTS[0])
    waiting.is_cancelled = lambda: True
    assert run(make_engine(), waiting) == [[]]
    assert waiting.error is None


def test_an_end_token_is_the_last(make_engine: Make) -> None:
    engine = make_engine()
    tokens = run(engine, ask(PROMPTS[2], new=20))[0]
    end = tokens[6]
    assert run(engine, ask(PROMPTS[2], new=20, end=end))[0] == tokens[: tokens.index(end) + 1]


def test_what_a_chat_left_is_not_read_again_and_changes_nothing(make_engine: Make) -> None:
    engine = make_engine()
    first = ask(PROMPTS[2])
    engine.generate(first)
    longer = [*PROMPTS[2], *first.tokens, *PROMPTS[1]]
    again = ask(longer)
    engine.generate(again)
    assert again.kept >= len(PROMPTS[2]) + len(first.tokens) - 1
    assert again.tokens == run(make_engine(), ask(longer))[0]


def test_candidates_of_one_prompt_read_it_once(make_engine: Make) -> None:
    prompt = PROMPTS[4]
    together = [ask(prompt, temperature=1.0, seed=seed) for seed in range(4)]
    found = run(make_engine(), *together)
    assert [request.kept for request in together] == [0] + 3 * [len(prompt) - 1]
    assert found == [run(make_engine(), ask(prompt, temperature=1.0, seed=seed))[0] for seed in range(4)]
    assert len({tuple(tokens) for tokens in found}) > 1


def test_prompts_longer_than_a_pass_are_read_in_parts(make_engine: Make) -> None:
    engine = make_engine()
    expected = run(engine, *(ask(prompt) for prompt in PROMPTS))
    small = Engine(engine.decoder, slots=8, capacity=160, max_new_tokens=64, read_tokens=7)
    assert run(small, *(ask(prompt) for prompt in PROMPTS)) == expected


def test_a_prompt_without_room_is_refused_with_the_numbers(make_engine: Make) -> None:
    engine = make_engine()
    with pytest.raises(GeneratorError, match=r"A prompt of 159 tokens and a reply of 12 have no room in 160 tokens"):
        engine.generate(ask([5] * 159))
    assert engine.fits(148, Sampling(max_new_tokens=12))
    assert not engine.fits(10, Sampling(max_new_tokens=65))


def test_a_reply_whose_check_fails_is_the_only_one_to_fail(make_engine: Make) -> None:
    def fail(_: Sequence[int]) -> bool:
        raise RuntimeError("broken")

    engine = make_engine()
    broken, fine = ask(PROMPTS[0]), ask(PROMPTS[1])
    broken.check = fail
    with pytest.raises(RuntimeError, match="broken"):
        engine.generate(broken, fine)
    assert len(fine.tokens) == 12


@pytest.mark.parametrize("failure", [RuntimeError("CUDA error"), torch.OutOfMemoryError("full")])
def test_a_failure_ends_what_is_under_way_and_the_next_replies_are_right(
    make_engine: Make, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    engine = make_engine()
    expected = run(engine, ask(PROMPTS[0]))
    run_layers = engine.decoder.run

    def fail(new: Any, cache: Any) -> Any:
        if len(new.ids) == 2:  # a step of both
            raise failure
        return run_layers(new, cache)

    monkeypatch.setattr(engine.decoder, "run", fail)
    both = ask(PROMPTS[0]), ask(PROMPTS[1])
    with pytest.raises(GeneratorError if isinstance(failure, torch.OutOfMemoryError) else RuntimeError):
        engine.generate(*both)
    assert all(request.finished for request in both)
    assert run(engine, ask(PROMPTS[0])) == expected
