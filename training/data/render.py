"""Rendering: turns to token ids and back. The one way for training and for serving.

A rendered conversation is a row of pieces. A piece ends where the model would begin to write, so the prompt before an
owner turn is a whole number of pieces, and each piece is encoded without looking at what follows it. Hence the ids that
a prompt has are exactly the ids that stood before that turn in training, whatever the tokenizer does at borders.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from training.data.chat_template import TemplateParts, make_text_parts, read_template_parts
from training.data.tokens import Encoded
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Turn
from userbot.domain.text import (
    CONTACT_MARK,
    OPENING,
    OWNER_MARK,
    break_at,
    break_role_marks,
    join_bubbles,
    split_bubbles,
)

if TYPE_CHECKING:
    from training.data.samples import Sample

_MARK_LINE = re.compile(rf"(?:^|\n)\s*(?:{CONTACT_MARK[:-1]}|{OWNER_MARK[:-1]})\s*:")


class Renderer:
    """Turns conversations into token ids, for one tokenizer.

    Text that looks like one of the tokenizer's special tokens, or like a role mark in the text format, is broken by an
    invisible character, so that nobody can write a turn of somebody else's into the prompt.

    Args:
        tokenizer: Of transformers; its settings for truncation and padding are not used.
        text_format: `chat` for the tokenizer's chat template, `text` for `User:` / `Clone:` lines, `auto` for the
            first where there is a template.

    Raises:
        ConfigError: The tokenizer or its chat template can't be used, or no token ends a turn.
    """

    def __init__(self, tokenizer: Any, text_format: Literal["auto", "chat", "text"] = "auto") -> None:
        if not tokenizer.is_fast:
            raise ConfigError(
                f"The base model's tokenizer {type(tokenizer).__name__} is not of the `tokenizers` library. Choose a "
                f"base with a tokenizer.json by --base."
            )
        if text_format == "auto":
            text_format = "chat" if tokenizer.chat_template else "text"
        self.text_format: str = text_format
        special = sorted({t.content for t in tokenizer.added_tokens_decoder.values() if t.special}, key=len)
        self._specials = re.compile("|".join(re.escape(text) for text in reversed(special)) or r"(?!)")
        self._frame: TemplateParts = (
            read_template_parts(tokenizer, self._specials) if text_format == "chat" else make_text_parts(tokenizer)
        )
        # A copy: transformers changes truncation and padding of its own from call to call.
        self._backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        self._end_id = int(tokenizer.convert_tokens_to_ids(self._frame.end_token))
        self._anchor = self._frame.owner_first or self._frame.to_owner
        self._anchor_ids = self._ids([self._anchor])[0]
        self.stop_ids: tuple[int, ...] = tuple(
            dict.fromkeys(i for i in (self._end_id, tokenizer.eos_token_id) if i is not None)
        )

    def encode(self, sample: Sample) -> Encoded:
        """Encode a sample; only the turns that it marks as learned, with their end token, are learned."""
        ids, loss_mask = array("i"), array("b")
        sides = _merge(sample.turns, sample.supervised)
        for piece, supervised in self._encode_pieces(sides, sample.system):
            n_supervised = piece.index(self._end_id) + 1 if supervised else 0
            ids.extend(piece)
            loss_mask.extend([1] * n_supervised + [0] * (len(piece) - n_supervised))
        return Encoded(ids, loss_mask)

    def prompt(self, turns: Sequence[Turn], *, system: str | None = None, max_tokens: int | None = None) -> list[int]:
        """Encode a conversation up to the place where the owner's next turn begins.

        To fit, the oldest turns are dropped whole, and what is left begins with a contact turn. A last turn that is too
        long by itself keeps its newest bubbles, and a single such bubble its newest words.

        Args:
            turns: Oldest first. After an owner turn at the end, an empty contact turn is invented.
            system: A line on who the contact is, as in training.
            max_tokens: Longest prompt; None for no limit.
        """
        if turns and turns[-1].mine:
            turns = [*turns, Turn(False, (OPENING,))]
        if max_tokens is not None:
            turns = self._fit(turns, system, max_tokens)
        return self._all_ids(turns, system)

    def count(self, turns: Sequence[Turn], system: str | None) -> int:
        """Count the tokens of a conversation; after a contact turn at the end, up to where the owner's would begin."""
        return len(self._all_ids(turns, system))

    def parse(self, text: str) -> tuple[str, ...]:
        """Split generated text into bubbles; in the text format it ends where a role mark begins a line."""
        found = self._specials.search(text)
        text = text[: found.start()] if found else text
        if self.text_format == "text" and (mark := _MARK_LINE.search(text)):
            text = text[: mark.start()]
        return split_bubbles(text)

    def _fit(self, turns: Sequence[Turn], system: str | None, max_tokens: int) -> Sequence[Turn]:
        def fits(candidate: Sequence[Turn]) -> bool:
            return self.count(candidate, system) <= max_tokens

        starts = [i for i, turn in enumerate(turns) if i == 0 or not turn.mine]
        found = bisect_left(starts, True, key=lambda start: fits(turns[start:]))
        if not turns or found < len(starts):
            return turns[starts[found] :] if turns else turns
        bubbles = turns[-1].bubbles
        kept = bisect_left(range(len(bubbles)), True, key=lambda i: fits([Turn(False, bubbles[i:])]))
        if kept < len(bubbles):
            return [Turn(False, bubbles[kept:])]
        text = bubbles[-1]
        cut = bisect_left(range(len(text)), True, key=lambda i: fits([Turn(False, (text[i:],))]))
        return [Turn(False, (text[cut:] or OPENING,))]

    def _all_ids(self, turns: Sequence[Turn], system: str | None) -> list[int]:
        return [i for piece, _ in self._encode_pieces(_merge(turns, ()), system) for i in piece]

    def _encode_pieces(self, sides: list[_Side], system: str | None) -> list[tuple[list[int], bool]]:
        pieces = list(self._pieces(sides, system))
        # Encoded after what always stands before it: alone, many tokenizers would put a space before its first word.
        texts = [text if number == 0 else self._anchor + text for number, (text, _) in enumerate(pieces)]
        count = len(self._anchor_ids)
        encoded = []
        for number, ids in enumerate(self._ids(texts)):
            text, supervised = pieces[number]
            if number > 0:
                # A token across the border: what stands before it must not change, so the piece is taken by itself.
                ids = ids[count:] if ids[:count] == self._anchor_ids else self._ids([text])[0]
            encoded.append((ids, supervised))
        return encoded

    def _pieces(self, sides: list[_Side], system: str | None) -> Iterable[tuple[str, bool]]:
        """Yield texts that end where the owner would begin to write, and whether each one's owner turn is learned."""
        frame = self._frame
        text, rest = self._open(sides, self._escape(system.strip()) if system else "")
        supervised = False
        for side in rest:
            words = join_bubbles(self._escape(bubble) for bubble in side.bubbles)
            if side.mine:
                yield text, supervised
                text, supervised = frame.lead + words + frame.end, side.supervised
            else:
                text += frame.to_contact + words + frame.to_owner
        yield text, supervised

    def _open(self, sides: list[_Side], system: str) -> tuple[str, list[_Side]]:
        """Write the first contact turn, with the system line in it or before it; the owner's side never comes first."""
        frame = self._frame
        owner_first = not sides or sides[0].mine
        words = "" if owner_first else join_bubbles(self._escape(bubble) for bubble in sides[0].bubbles)
        rest = sides if owner_first else sides[1:]
        if frame.owner_first is None:
            words = "\n\n".join(part for part in (system, words) if part) or OPENING
            return frame.head + frame.opening + words + frame.to_owner, rest
        head = frame.head + (f"{system}\n" if system else "")
        return head + (frame.owner_first if owner_first else frame.opening + words + frame.to_owner), rest

    def _escape(self, text: str) -> str:
        text = break_at(self._specials, text)
        return break_role_marks(text) if self.text_format == "text" else text

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._backend.encode_batch_fast(texts, add_special_tokens=False)]


@dataclass(slots=True)
class _Side:
    mine: bool
    bubbles: list[str]
    supervised: bool


def _merge(turns: Sequence[Turn], flags: Sequence[bool]) -> list[_Side]:
    """Make turns alternate; without flags, none is supervised."""
    sides: list[_Side] = []
    for number, turn in enumerate(turns):
        supervised = bool(flags) and flags[number]
        if sides and sides[-1].mine == turn.mine:
            sides[-1].bubbles.extend(turn.bubbles)
            sides[-1].supervised = sides[-1].supervised and supervised
        else:
            sides.append(_Side(turn.mine, list(turn.bubbles), supervised))
    return sides
