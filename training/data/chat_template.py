"""Template parts: the fixed text that a chat template, or the plain text format, puts around turns.

A chat template is rendered a few times with marker words, and the text that it writes around them is kept. So the
template's own rendering is used, for any model's tokenizer, and yet the text of a turn depends on nothing that comes
after it: in training the model sees before a turn exactly what it sees when it answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from userbot.domain.errors import ConfigError
from userbot.domain.text import CONTACT_MARK, OWNER_MARK

_WORDS = ("qpeerza", "qownerzb", "qpeerzc", "qownerzd", "qpeerze")
# Templates of the Llama 3 family write today's date by default, so a reply's prompt would differ from training's.
_FIXED_DATE = "26 Jul 2024"


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateParts:
    """The text around turns.

    A conversation is `head opening CONTACT to_owner lead OWNER end to_contact CONTACT to_owner lead OWNER end`.

    Args:
        head: Text before everything, a system line included: the beginning-of-text token, or nothing.
        opening: Text between the head and the first contact turn.
        to_owner: Text from a contact turn to the place where generation begins.
        lead: Text between that place and the owner's words; the model generates it.
        end: Text after the owner's words, up to and including the token that ends the turn.
        end_token: The token that ends an owner turn.
        to_contact: Text from there to the next contact turn.
        owner_first: Replaces `opening CONTACT to_owner` where the owner begins; None where a contact turn has to be
            invented there.
    """

    head: str
    opening: str
    to_owner: str
    lead: str
    end: str
    end_token: str
    to_contact: str
    owner_first: str | None = None


def make_text_parts(tokenizer: Any) -> TemplateParts:
    """Make the parts of the plain text format: `User: …` and `Clone: …` lines, an end-of-text token per owner turn.

    Args:
        tokenizer: Tokenizer of transformers.

    Returns:
        The parts, with the beginning-of-text token as the head where the tokenizer adds one.

    Raises:
        ConfigError: The tokenizer has no end-of-text token, so the model could never learn to stop.
    """
    eos = _require_eos(tokenizer)
    bos = tokenizer.bos_token or ""
    starts_with_bos = bool(bos) and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return TemplateParts(
        head=bos if starts_with_bos else "",
        opening=f"{CONTACT_MARK} ",
        to_owner=f"\n{OWNER_MARK}",
        lead=" ",
        end=eos,
        end_token=eos,
        to_contact=f"\n{CONTACT_MARK} ",
        owner_first=OWNER_MARK,
    )


def read_template_parts(tokenizer: Any, specials: re.Pattern[str]) -> TemplateParts:
    """Derive the parts from the tokenizer's chat template.

    Where the template renders a past owner turn differently from the one being generated (those of reasoning models
    do), the past form counts. Where it ends an owner turn with no special token, the end-of-text token is added.

    Args:
        tokenizer: Tokenizer of transformers, with a chat template.
        specials: Matches the tokenizer's special tokens in text.

    Returns:
        The parts, with an empty head: the template's opening holds whatever begins the text.

    Raises:
        ConfigError: The template fails, renders turns differently by their position, or leaves turns out.
    """
    first, generation = _cut(tokenizer, 1)
    opening, to_owner, to_contact, *again, last = _cut(tokenizer, 5)
    if opening != first or again != [to_owner, to_contact] or last != generation:
        raise _refuse("renders the turns of a long conversation unlike those of a short one")
    tail = _cut(tokenizer, 2)[2]
    if to_owner.startswith(generation):
        lead = to_owner[len(generation) :]
    else:
        generation, lead = to_owner.rstrip(" "), to_owner[len(to_owner.rstrip(" ")) :]
    ending = specials.search(tail)
    if ending is not None and to_contact.startswith(tail[: ending.end()]):
        end, end_token, to_contact = tail[: ending.end()], ending[0], to_contact[ending.end() :]
    else:
        end = end_token = _require_eos(tokenizer)
    return TemplateParts(
        head="", opening=opening, to_owner=generation, lead=lead, end=end, end_token=end_token, to_contact=to_contact
    )


def list_frame(parts: TemplateParts, tokens: Sequence[str]) -> list[str]:
    """Return the plain text that stands around turns, by lines: what would forge a turn if somebody wrote it.

    Args:
        parts: The parts around turns.
        tokens: Texts of the tokenizer's added tokens, which nobody can write and which are none of it.

    Returns:
        Literals such as `### Human:`, without blanks around them. Words beside an added token are left out, such as the
        `user` of `<|im_start|>user`: without the token they are ordinary words.
    """
    added = re.compile("|".join(re.escape(t) for t in sorted(tokens, key=len, reverse=True) if t.strip()) or r"(?!)")
    literals: dict[str, None] = {}
    for part in (parts.opening, parts.to_owner, parts.lead, parts.end, parts.to_contact, parts.owner_first or ""):
        has_token = added.search(part) is not None
        for line in (line.strip() for stretch in added.split(part) for line in stretch.splitlines()):
            if line and (not has_token or re.search(r"[^\w\s]", line)):
                literals[line] = None
    return list(literals)


def _cut(tokenizer: Any, turns: int) -> list[str]:
    """Render the marker words as a conversation and return the text before, between and after them."""
    # Comes with transformers, which the base install lacks.
    from jinja2 import TemplateError

    words = _WORDS[:turns]
    messages = [{"role": ("user", "assistant")[i % 2], "content": word} for i, word in enumerate(words)]
    try:
        text = tokenizer.apply_chat_template(
            messages, tokenize=False, add_generation_prompt=turns % 2 == 1, date_string=_FIXED_DATE
        )
    except TemplateError as exc:
        raise _refuse("fails on a conversation of user and assistant") from exc
    parts = re.split("|".join(words), text)
    if len(parts) != turns + 1:
        raise _refuse("leaves turns out, or repeats them")
    return parts


def _require_eos(tokenizer: Any) -> str:
    if not tokenizer.eos_token:
        raise ConfigError(
            "The base model's tokenizer names no end-of-text token, so the clone could never learn to stop. "
            "Choose another base with --base."
        )
    return str(tokenizer.eos_token)


def _refuse(why: str) -> ConfigError:
    return ConfigError(f"The base model's chat template {why}. Use plain text instead: --set text_format=text")
