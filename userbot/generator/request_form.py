"""The forms in which a model server can be asked: token ids or messages, with vLLM's own fields or without.

Token ids are exactly training's. Messages become the same ids by the base's own chat template on the server, as far as
that template writes what it wrote in training. It does not where it adds today's date, or has the model think aloud
before it answers, or ends the owner's turn with no special token. Marks of all well-known frames are broken in both;
those that only this tokenizer or template has can be broken in token ids alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from userbot.domain.dialogue import write_chat
from userbot.domain.marks import break_known_marks
from userbot.domain.sampling import Sampling
from userbot.domain.text import split_bubbles
from userbot.generator import Prompt, PromptEncoder

_THOUGHT = re.compile(r"<think(?:ing)?>.*?</think(?:ing)?>\s*", re.DOTALL | re.IGNORECASE)
_THOUGHT_ENDS = re.compile(r"</think(?:ing)?>\s*", re.IGNORECASE)
_THOUGHT_BEGINS = re.compile(r"<think(?:ing)?>", re.IGNORECASE)

IDS_PATH = "completions"
MESSAGES_PATH = "chat/completions"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestForm:
    """One form of a request.

    Args:
        encoder: Makes token ids; None sends messages.
        extended: With the fields that vLLM knows and OpenAI's API does not.
    """

    encoder: PromptEncoder | None = None
    extended: bool = True

    @property
    def path(self) -> str:
        """Return where the request goes, below the server's address."""
        return MESSAGES_PATH if self.encoder is None else IDS_PATH

    def write(self, prompt: Prompt, *, model: str, sampling: Sampling) -> dict[str, Any]:
        """Write the body of a request for a streamed answer.

        Args:
            prompt: What to continue.
            model: Name that the server knows the adapter by, or the base.
            sampling: How words are drawn; only token ids can be held to `max_prompt_tokens` here.
        """
        body: dict[str, Any] = {
            "model": model,
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_new_tokens,
        }
        if self.extended:
            body |= {
                "repetition_penalty": sampling.repetition_penalty,
                # llama.cpp's words for the same, over the whole conversation.
                "repeat_penalty": sampling.repetition_penalty,
                "repeat_last_n": -1,
                # Off here, whatever a server has as its default: the words are drawn as in this process.
                "top_k": -1,
                "min_p": 0.0,
            }
        if self.encoder is None:
            if self.extended:
                # Templates that know it begin the answer at once; the others ignore it.
                body["chat_template_kwargs"] = {"enable_thinking": False}
            return {**body, "messages": write_messages(prompt)}
        body["prompt"] = self.encoder.encode(prompt, max_tokens=sampling.max_prompt_tokens)
        if self.encoder.stop_texts:
            body["stop"] = list(self.encoder.stop_texts)
        if self.extended:
            # Special tokens stay in the text, so that what the model writes after one can be cut off.
            body |= {"stop_token_ids": list(self.encoder.stop_ids), "skip_special_tokens": False}
        return body

    def parse(self, text: str) -> tuple[str, ...]:
        """Split an answer into bubbles."""
        # JSON may hold half a character, which can be neither stored nor sent.
        text = drop_thoughts(text.encode("utf-8", "replace").decode("utf-8"))
        return split_bubbles(text) if self.encoder is None else self.encoder.parse(text)


def drop_thoughts(text: str) -> str:
    """Cut out what a reasoning model thinks aloud before it answers: `<think>…</think>`.

    A thought that was begun and never ended leaves nothing, since no word after it is the answer; one whose beginning
    stood in the prompt ends with its mark.

    Args:
        text: As the server sent it.

    Returns:
        The answer alone; "" where there is only a thought.
    """
    text = _THOUGHT.sub("", text)
    *_, kept = _THOUGHT_ENDS.split(text)
    return "" if _THOUGHT_BEGINS.search(kept) else kept


def list_forms(encoder: PromptEncoder | None, *, text_format: str) -> list[RequestForm]:
    """Return the forms to try, best first; none is left where only token ids are right and can't be made.

    Args:
        encoder: None where the base's tokenizer is not at hand.
        text_format: The adapter's. After training on plain text, a chat template would ask in an unknown form.
    """
    encoders = [] if encoder is None else [encoder]
    ways: list[PromptEncoder | None] = [*encoders] if text_format == "text" else [*encoders, None]
    return [RequestForm(encoder=way, extended=extended) for way in ways for extended in (True, False)]


def write_messages(prompt: Prompt) -> list[dict[str, str]]:
    """Write a conversation in OpenAI's form: user and assistant in turn, the system line in the first user message."""
    sides = write_chat(prompt.turns, system=prompt.system, escape=break_known_marks)
    return [{"role": "assistant" if side.mine else "user", "content": side.text} for side in sides]
