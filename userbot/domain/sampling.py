"""How a reply is drawn: the one set of defaults, for settings, generators and training."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Sampling:
    """How a reply is drawn.

    Args:
        temperature: 0 always takes the most likely token; higher is livelier.
        top_p: Share of probability that tokens are drawn from.
        repetition_penalty: Above 1 makes the model repeat itself less; the local model counts its reply only,
            because the prompt is full of end-of-turn tokens, and penalised for these it would not stop.
        max_new_tokens: Longest reply, tokens.
        max_prompt_tokens: Longest prompt, tokens; whole turns, newest kept.
        seed: Makes a reply repeatable; None draws differently each time.
    """

    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.1
    max_new_tokens: int = 128
    max_prompt_tokens: int = 1024
    seed: int | None = None
