"""What ends a reply before the model ends it, and how new text is streamed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from models import make_tokenizer

from training.serving.stopping import StopCriterion

PROMPT = [1, 50, 51]


@pytest.fixture(scope="module")
def tokenizer() -> Any:
    return make_tokenizer()


class Reply:
    """Feeds the tokens of a text to a criterion, one after another, until it stops.

    Args:
        tokens: Tokens that were read until then.
    """

    def __init__(self, tokenizer: Any, criterion: StopCriterion, text: str) -> None:
        self.tokens = 0
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        for self.tokens in range(1, len(ids) + 1):
            answer = criterion(torch.tensor([[*PROMPT, *ids[: self.tokens]]]), None)
            if answer.all():
                return


def make(tokenizer: Any, should_stop: Callable[[], bool] = lambda: False, **named: Any) -> StopCriterion:
    return StopCriterion(tokenizer, len(PROMPT), should_stop=should_stop, **named)


def test_a_reply_goes_on_while_nothing_ends_it(tokenizer: Any) -> None:
    criterion = make(tokenizer, stop_texts=("\nUser:",))
    assert Reply(tokenizer, criterion, "fine\nUse").tokens == len("fine\nUse")
    assert not criterion.ended and not criterion.cancelled


def test_a_stop_text_ends_the_reply_where_it_is_complete(tokenizer: Any) -> None:
    criterion = make(tokenizer, stop_texts=("\nUser:", "\nClone:"))
    assert Reply(tokenizer, criterion, "fine\nUser: and then").tokens == len("fine\nUser:")
    assert criterion.ended and not criterion.cancelled


def test_a_stop_text_in_the_prompt_ends_nothing(tokenizer: Any) -> None:
    prompt = tokenizer("hi\nUser:", add_special_tokens=False)["input_ids"]
    criterion = StopCriterion(tokenizer, len(prompt), should_stop=lambda: False, stop_texts=("\nUser:",))
    assert not criterion(torch.tensor([[*prompt, 50]]), None).any()


def test_a_cancelled_reply_ends_at_once(tokenizer: Any) -> None:
    criterion = make(tokenizer, should_stop=iter([False, False, True]).__next__)
    assert Reply(tokenizer, criterion, "a long answer").tokens == 3
    assert criterion.cancelled and not criterion.ended


def test_every_sequence_of_a_batch_gets_the_answer(tokenizer: Any) -> None:
    answer = make(tokenizer, should_stop=lambda: True)(torch.tensor([[*PROMPT, 60]] * 3), None)
    assert (answer.shape, answer.dtype, bool(answer.all())) == ((3,), torch.bool, True)


def test_text_is_streamed_in_whole_letters_that_add_up_to_the_reply(tokenizer: Any) -> None:
    pieces: list[str] = []
    Reply(tokenizer, make(tokenizer, on_token=pieces.append), "ну да 😀!")
    assert "".join(pieces) == "ну да 😀!"
    assert pieces == ["н", "у", " ", "д", "а", " ", "😀", "!"]


def test_special_tokens_are_not_streamed(tokenizer: Any) -> None:
    pieces: list[str] = []
    criterion = make(tokenizer, on_token=pieces.append)
    criterion(torch.tensor([[*PROMPT, tokenizer.eos_token_id]]), None)
    assert pieces == []
