"""Generation: the tokens of a reply, sampled one after another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessorList,
    RepetitionPenaltyLogitsProcessor,
    StoppingCriteriaList,
)

from training.data.render import Renderer
from training.serving.stopping import StopCriterion
from userbot.domain.errors import GeneratorError
from userbot.domain.sampling import Sampling


def list_end_ids(tokenizer: Any, renderer: Renderer) -> list[int]:
    """Return the tokens that end a reply: those of the renderer, and all special tokens, which stand for no text.

    Args:
        tokenizer: Tokenizer of the model.
        renderer: Names the tokens that end a turn.

    Returns:
        Token ids, ascending.
    """
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    return sorted(special.union(renderer.stop_ids))


def generate_tokens(
    model: Any, prompt: Sequence[int], *, sampling: Sampling, end_ids: Iterable[int], criterion: StopCriterion
) -> list[int]:
    """Generate tokens until one of them ends the reply, the criterion stops it, or the limit is reached.

    Args:
        model: Model of transformers, in evaluation mode.
        prompt: Token ids.
        sampling: How tokens are sampled, and at most how many.
        end_ids: Tokens that end a reply.
        criterion: Called after each token.

    Returns:
        The new token ids; the last is one of `end_ids` where one ended the reply.

    Raises:
        GeneratorError: Memory ran out.
    """
    ids = torch.tensor([list(prompt)], device=model.device)
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        penalty = RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty, prompt_ignore_length=len(prompt))
        processors.append(penalty)
    devices = [ids.device] if ids.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices, enabled=sampling.seed is not None):
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            sequences = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=_make_config(sampling, list(end_ids)),
                logits_processor=processors,
                stopping_criteria=StoppingCriteriaList([criterion]),
            )
    except torch.OutOfMemoryError as exc:
        torch.cuda.empty_cache()
        raise GeneratorError(
            f"Memory ran out on a prompt of {len(prompt)} tokens. Lower CLONE_REPLY__CONTEXT_TOKENS."
        ) from exc
    new: list[int] = sequences[0, len(prompt) :].tolist()
    return new


def _make_config(sampling: Sampling, end_ids: list[int]) -> GenerationConfig:
    # top_k is switched off: its default of 50 in transformers would cut the distribution a second time.
    warpers = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    return GenerationConfig(
        do_sample=sampling.temperature > 0,
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=end_ids,
        pad_token_id=end_ids[0],
        **(warpers if sampling.temperature else {}),
    )
