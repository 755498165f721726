"""Drawing the tokens of a reply."""

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
from training.serving.stopping import Watch
from userbot.domain.errors import GeneratorError
from userbot.domain.sampling import Sampling


def list_end_ids(tokenizer: Any, renderer: Renderer) -> list[int]:
    """Return the tokens that end a reply: those of the renderer, and all that stand for no text."""
    special = {token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special}
    return sorted(special.union(renderer.stop_ids))


def draw_tokens(
    model: Any, prompt: Sequence[int], *, sampling: Sampling, end_ids: Iterable[int], watch: Watch
) -> list[int]:
    """Draw tokens until one of them ends the reply, the watch says so, or there are enough.

    Args:
        model: In evaluation mode.
        prompt: Token ids.
        sampling: How words are drawn.
        end_ids: Tokens that end a reply; the last of the result when one did.
        watch: Looks at each token.

    Raises:
        GeneratorError: Memory ran out.
    """
    ids = torch.tensor([list(prompt)], device=model.device)
    ends = list(end_ids)
    processors = LogitsProcessorList()
    if sampling.repetition_penalty != 1.0:
        penalty = RepetitionPenaltyLogitsProcessor(sampling.repetition_penalty, prompt_ignore_length=len(prompt))
        processors.append(penalty)
    drawn = {"temperature": sampling.temperature, "top_p": sampling.top_p, "top_k": 0}
    config = GenerationConfig(
        do_sample=sampling.temperature > 0,
        max_new_tokens=sampling.max_new_tokens,
        eos_token_id=ends,
        pad_token_id=ends[0],
        **(drawn if sampling.temperature else {}),
    )
    devices = [ids.device] if ids.device.type == "cuda" else []
    try:
        with torch.random.fork_rng(devices=devices, enabled=sampling.seed is not None):
            if sampling.seed is not None:
                torch.manual_seed(sampling.seed)
            found = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                generation_config=config,
                logits_processor=processors,
                stopping_criteria=StoppingCriteriaList([watch]),
            )
    except torch.OutOfMemoryError as exc:
        torch.cuda.empty_cache()
        raise GeneratorError(
            f"Memory ran out on a prompt of {len(prompt)} tokens. Lower CLONE_REPLY__CONTEXT_TOKENS."
        ) from exc
    new: list[int] = found[0, len(prompt) :].tolist()
    return new
