"""Held-out loss: of all samples and of each chat, packed or not."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from models import invent_samples, load_causal_lm

from training.data.tokens import Tokens, flatten
from training.loop.evaluate import Score, evaluate

CHATS = [1, 2, 1, 2, 2]


@pytest.fixture
def tokens() -> Tokens:
    return flatten(invent_samples([23, 7, 40, 12, 31]), chats=CHATS, count=len)


@pytest.mark.parametrize("max_pack_tokens", [40, 64, 200])
def test_packing_changes_no_score(mistral: Path, tokens: Tokens, max_pack_tokens: int) -> None:
    lm = load_causal_lm(mistral)
    unpacked = evaluate(lm, tokens, max_pack_tokens=max_pack_tokens, packed=False)
    packed = evaluate(lm, tokens, max_pack_tokens=max_pack_tokens)
    assert packed.total.nats == pytest.approx(unpacked.total.nats, rel=1e-5)
    for chat, score in packed.chats.items():
        assert score.nats == pytest.approx(unpacked.chats[chat].nats, rel=1e-5)


def test_chats_add_up_to_the_total(mistral: Path, tokens: Tokens) -> None:
    evaluation = evaluate(load_causal_lm(mistral), tokens, max_pack_tokens=64)
    assert set(evaluation.chats) == {1, 2}
    assert sum(score.nats for score in evaluation.chats.values()) == pytest.approx(evaluation.total.nats)
    assert sum(score.tokens for score in evaluation.chats.values()) == int(tokens.supervised.sum())
    assert evaluation.total.characters == int(tokens.characters.sum())


@pytest.mark.parametrize("training", [True, False])
def test_the_mode_is_put_back_and_dropout_is_off_meanwhile(mistral: Path, tokens: Tokens, training: bool) -> None:
    lm = load_causal_lm(mistral, dropout=0.5)
    lm.model.train(training)
    scores = [evaluate(lm, tokens, max_pack_tokens=64).total.nats for _ in range(2)]
    assert scores[0] == scores[1]
    assert lm.model.training is training


def test_no_samples_score_nothing(mistral: Path) -> None:
    evaluation = evaluate(load_causal_lm(mistral), flatten([]), max_pack_tokens=64)
    assert evaluation.to_json() == {"loss": 0.0, "bits_per_char": 0.0, "tokens": 0, "characters": 0, "chats": {}}


def test_bits_per_character_count_characters_and_not_tokens() -> None:
    score = Score(nats=8 * math.log(2), tokens=2, characters=4)
    assert (score.loss, score.bits_per_char) == pytest.approx((4 * math.log(2), 2.0))
