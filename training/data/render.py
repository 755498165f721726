"""Rendering: turns to token ids and back, in one way for training and for serving.

A rendered conversation is a sequence of pieces. A piece ends where the model would begin to write, so the prompt before
an owner turn is a whole number of pieces, and each piece is encoded without looking at what follows it. Hence the ids
of a prompt are exactly those that stood before that turn in training, whatever the tokenizer merges across boundaries.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal
from zlib import crc32

from training.data.chat_template import TemplateParts, list_frame, make_text_parts, read_template_parts
from training.data.tokens import Encoded
from userbot.domain.dialogue import Side, end_with_contact, open_with_contact, write_sides
from userbot.domain.errors import ConfigError
from userbot.domain.marks import MarkBreaker
from userbot.domain.messages import Turn
from userbot.domain.text import JOINER, OPENING, ROLE_MARKS, split_bubbles

if TYPE_CHECKING:
    from training.data.samples import Sample

_STEP = 0.25  # of the longest prompt, that may be dropped beyond what must
_MARK_LINE = re.compile(rf"(?:^|\n)\s*(?:{'|'.join(mark[:-1] for mark in ROLE_MARKS)})\s*:")

_BREAKERS = (JOINER, "\u200b", "\u00b7", "'")
"""What breaks a mark, the best first; the later ones can be seen."""

_ROUNDS = 3
"""A normaliser may make one mark of the pieces of another, but not for ever."""


class Renderer:
    """Turns conversations into token ids, for one tokenizer.

    Text that looks like one of the tokenizer's added tokens, like what the template writes around turns, or like a
    well-known frame of another template is broken by an invisible character, so that nobody can forge somebody else's
    turn in the prompt. Added tokens of blanks alone are none of these: they forge nothing.

    Args:
        tokenizer: Tokenizer of transformers; its settings for truncation and padding are not used.
        text_format: `chat` for the tokenizer's chat template, `text` for `User:` / `Clone:` lines, `auto` for the
            template where there is one, else for lines.

    Attributes:
        text_format: `chat` or `text`.
        stop_ids: Tokens that end an owner turn.
        stop_texts: Texts that begin a next turn in the text format; none in the chat format.

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
        self._parts: TemplateParts = (
            read_template_parts(tokenizer, self._specials) if text_format == "chat" else make_text_parts(tokenizer)
        )
        # A copy, because transformers changes truncation and padding of the original from call to call.
        self._backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        self._backend.no_truncation()
        self._backend.no_padding()
        self._normalizer = self._backend.normalizer
        self._break = self._make_breaker([t.content for t in tokenizer.added_tokens_decoder.values()])
        self._end_id = int(tokenizer.convert_tokens_to_ids(self._parts.end_token))
        self._anchor = self._parts.owner_first or self._parts.to_owner
        self._anchor_ids = self._ids([self._anchor])[0]
        self.stop_ids: tuple[int, ...] = tuple(
            dict.fromkeys(i for i in (self._end_id, tokenizer.eos_token_id) if i is not None)
        )
        self.stop_texts: tuple[str, ...] = tuple(f"\n{mark}" for mark in ROLE_MARKS) if text_format == "text" else ()

    def encode(self, sample: Sample) -> Encoded:
        """Encode a sample; the loss mask covers the turns that it marks as supervised, with their end tokens.

        Args:
            sample: The sample; of neighbouring turns of one side, all must be supervised for the loss to count them.

        Returns:
            Token ids and loss mask; both of shape (tokens,).
        """
        ids, loss_mask = array("i"), array("b")
        sides = write_sides(sample.turns, escape=self._escape, supervised=sample.supervised)
        for piece, supervised in self._encode_pieces(sides, sample.system):
            n_supervised = piece.index(self._end_id) + 1 if supervised else 0
            ids.extend(piece)
            loss_mask.extend([1] * n_supervised + [0] * (len(piece) - n_supervised))
        return Encoded(ids, loss_mask)

    def prompt(self, turns: Sequence[Turn], *, system: str | None = None, max_tokens: int | None = None) -> list[int]:
        """Encode a conversation up to the place where the owner's next turn begins.

        To fit, the oldest turns are dropped whole, and what is left begins with a contact turn. More are dropped than
        need be, up to a quarter of the limit, so that the prompts of a chat begin alike for several turns and a cache
        of what was read can be used. A last turn that alone is too long keeps its newest bubbles, and a single bubble
        that is too long its newest words.

        Args:
            turns: Oldest first. After an owner turn at the end, an empty contact turn is invented.
            system: One line that says who the contact is, as in training.
            max_tokens: Longest prompt, tokens; None for no limit.

        Returns:
            Token ids.
        """
        turns = end_with_contact(turns)
        if max_tokens is not None:
            turns = self._fit(turns, system, max_tokens)
        return self._all_ids(turns, system)

    def count(self, turns: Sequence[Turn], system: str | None) -> int:
        """Count the tokens of a conversation; after a last contact turn, up to where the owner's would begin."""
        return len(self._all_ids(turns, system))

    def parse(self, text: str) -> tuple[str, ...]:
        """Split generated text into bubbles.

        Args:
            text: Decoded tokens. It is cut at the first special token and, in the text format, where a role mark
                begins a line.

        Returns:
            Bubbles with text, in order; none where the model had nothing to say.
        """
        special = self._specials.search(text)
        text = text[: special.start()] if special else text
        if self.text_format == "text" and (mark := _MARK_LINE.search(text)):
            text = text[: mark.start()]
        return split_bubbles(text)

    def _fit(self, turns: Sequence[Turn], system: str | None, max_tokens: int) -> Sequence[Turn]:
        def fits(candidate: Sequence[Turn]) -> bool:
            return self.count(candidate, system) <= max_tokens

        starts = [i for i, turn in enumerate(turns) if i == 0 or not turn.mine]
        number = bisect_left(starts, True, key=lambda start: fits(turns[start:]))
        if not turns or number < len(starts):
            return turns[self._choose_start(turns, starts[number:], system, max_tokens) :] if number else turns
        bubbles = turns[-1].bubbles
        kept = bisect_left(range(len(bubbles)), True, key=lambda i: fits([Turn(False, bubbles[i:])]))
        if kept < len(bubbles):
            return [Turn(False, bubbles[kept:])]
        text = bubbles[-1]
        cut = bisect_left(range(len(text)), True, key=lambda i: fits([Turn(False, (text[i:],))]))
        return [Turn(False, (text[cut:] or OPENING,))]

    def _choose_start(self, turns: Sequence[Turn], starts: Sequence[int], system: str | None, max_tokens: int) -> int:
        """Return where a cut prompt begins: at the turn with the smallest checksum among those that leave enough.

        Which turns there are to choose from changes little from one prompt of a chat to the next, and what a turn's
        checksum is does not depend on how much of the chat is known, so the choice stays for several turns.

        Args:
            turns: The conversation.
            starts: Turns that what is left may begin with, all of which fit.
            system: As for `prompt`.
            max_tokens: The same.
        """

        def is_short(start: int) -> bool:
            return self.count(turns[start:], system) < (1 - _STEP) * max_tokens

        many = starts[: max(1, bisect_left(starts, True, key=is_short))]
        return min(many, key=lambda start: crc32("\n".join(turns[start].bubbles).encode()))

    def _all_ids(self, turns: Sequence[Turn], system: str | None) -> list[int]:
        sides = write_sides(turns, escape=self._escape)
        return [i for piece, _ in self._encode_pieces(sides, system) for i in piece]

    def _encode_pieces(self, sides: Sequence[Side], system: str | None) -> list[tuple[list[int], bool]]:
        pieces = list(self._pieces(sides, system))
        # Encoded after what always stands before it, because many tokenizers put a space before a text's first word.
        texts = [text if number == 0 else self._anchor + text for number, (text, _) in enumerate(pieces)]
        count = len(self._anchor_ids)
        encoded = []
        for number, ids in enumerate(self._ids(texts)):
            text, supervised = pieces[number]
            if number > 0:
                # A token across the boundary. The tokens before it must not change, so the piece is encoded alone.
                ids = ids[count:] if ids[:count] == self._anchor_ids else self._ids([text])[0]
            encoded.append((ids, supervised))
        return encoded

    def _pieces(self, sides: Sequence[Side], system: str | None) -> Iterable[tuple[str, bool]]:
        """Yield texts that end where the owner would begin to write, and whether the owner turn in it is supervised."""
        parts = self._parts
        text, rest = self._open(sides, self._escape(system.strip()) if system else "")
        supervised = False
        for side in rest:
            if side.mine:
                yield text, supervised
                text, supervised = parts.lead + side.text + parts.end, side.supervised
            else:
                text += parts.to_contact + side.text + parts.to_owner
        yield text, supervised

    def _open(self, sides: Sequence[Side], system: str) -> tuple[str, Sequence[Side]]:
        """Write the beginning, up to where the owner's first turn begins; return it and the sides after it."""
        parts = self._parts
        if parts.owner_first is None:
            first, *rest = open_with_contact(sides, system=system)
            return parts.head + parts.opening + first.text + parts.to_owner, rest
        head = parts.head + (f"{system}\n" if system else "")
        if not sides or sides[0].mine:
            return head + parts.owner_first, sides
        return head + parts.opening + sides[0].text + parts.to_owner, sides[1:]

    def _make_breaker(self, tokens: Sequence[str]) -> MarkBreaker:
        """Choose what breaks marks: invisible, unless the tokenizer drops that and reads the mark nevertheless."""
        frame = list_frame(self._parts, tokens)
        marks = [mark for mark in (*(token.strip() for token in tokens), *frame) if len(mark) > 1]
        for sign in _BREAKERS:
            breaker = MarkBreaker(tokens=tokens, frame=frame, breaker=sign)
            if not any(self._normalise(mark).strip() in self._normalise(breaker(mark)) for mark in marks):
                break
        return breaker

    def _normalise(self, text: str) -> str:
        return text if self._normalizer is None else self._normalizer.normalize_str(text).replace("\u2581", " ")

    def _escape(self, text: str) -> str:
        text = self._break(text)
        for _ in range(_ROUNDS if self._normalizer is not None else 0):
            shown = self._normalise(text)
            if not self._break.find(shown.replace(self._break.breaker, JOINER)):
                break
            # Only as the tokenizer rewrites it does the text hold a mark, so it is written as that and broken there.
            text = self._break(shown.strip())
        return text

    def _ids(self, texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in self._backend.encode_batch_fast(texts, add_special_tokens=False)]
