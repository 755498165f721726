"""Marks of a model's frame, broken wherever they stand in people's text, so that nobody can forge a turn.

A frame is what a chat template writes around turns: special tokens such as `<|im_start|>`, and plain text such as
`### Human:`. The well-known frames are broken everywhere; a renderer adds those of the tokenizer that it has.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from itertools import pairwise

from userbot.domain.text import JOINER, LINE_BREAKS, SPECIAL_MARKS
from userbot.domain.visible import drop_invisible, fold

_LINE = rf"(?:(?<![^{LINE_BREAKS}])[\s>*_-]*)"
_ROLES = r"(?:user|human|assistant|system|clone|instruction|response)"
_KNOWN_ROLES = rf"\#{{2,6}}\s*{_ROLES}\s*:?|{_LINE}[*_]*{_ROLES}[*_]*\s*:|\b(?-i:USER|ASSISTANT|SYSTEM|HUMAN)\s*:"
_KNOWN_SPECIALS = r"<0x[0-9A-Fa-f]{2}>"


class MarkBreaker:
    """Breaks marks by a character between their letters; reading back (`split_bubbles`) takes it out again.

    Marks are found as a tokenizer that folds compatibility forms would see them, in any case, with blanks inside, and
    in letters that look alike.

    Args:
        tokens: Texts of added tokens.
        frame: Plain texts of the frame, such as `### Human:`.
        breaker: What breaks a mark; another than the invisible default where a tokenizer would drop that.
    """

    def __init__(self, *, tokens: Iterable[str] = (), frame: Iterable[str] = (), breaker: str = JOINER) -> None:
        self.breaker = breaker
        plain = "|".join([_KNOWN_ROLES, *(_as_pattern(text) for text in sorted(set(frame), key=len, reverse=True))])
        own = _grouped(fold(token)[0] for token in tokens if token.strip())
        specials = "|".join(
            part for part in (f"(?i:{own})" if own else "", SPECIAL_MARKS.pattern, _KNOWN_SPECIALS) if part
        )
        # Looked ahead for, because marks may overlap.
        self._pattern = re.compile(rf"(?=(?P<token>{specials})|(?P<frame>(?i:{plain})))")

    def __call__(self, text: str) -> str:
        """Return a text without invisible characters, its marks broken."""
        text = drop_invisible(text)
        places = self.find(text)
        if not places:
            return text
        cuts = [0, *places, len(text)]
        return self.breaker.join(text[start:stop] for start, stop in pairwise(cuts))

    def find(self, text: str) -> list[int]:
        """Return the places at which marks are to be broken, ascending."""
        folded, origin = fold(text)
        found = set()
        for match in self._pattern.finditer(folded):
            token, frame = match.span("token"), match.span("frame")
            # After a token's first letter, and before the sign that ends a role: `<⁠|im_start|>`, `User⁠:`.
            place = token[0] + 1 if token[1] - token[0] > 1 else token[0] if token[0] >= 0 else frame[1] - 1
            found.add(place if origin is None else _spread(origin, place))
        return sorted(found)


def _spread(origin: list[int], place: int) -> int:
    return origin[place] if place < len(origin) else origin[-1] + 1


def _as_pattern(text: str) -> str:
    """Match a literal of a frame with other blanks inside it.

    Words alone, such as `user`, are a mark only as a whole line, and a sign alone, such as `>`, where a line begins.
    """
    words = re.findall(r"\w+|[^\w\s]", fold(text)[0])
    pattern = r"\s*".join(re.escape(word) for word in words)
    if all(word.isalnum() for word in words):
        return rf"{_LINE}{pattern}(?=\s*(?:$|[{LINE_BREAKS}]))"
    if not any(word[0].isalpha() for word in words) and len(words) < 3:
        return _LINE + pattern
    return pattern


def _grouped(texts: Iterable[str]) -> str:
    """Alternatives by first letter, the longest first: a base has a thousand added tokens, and few first letters."""
    by_first: defaultdict[str, set[str]] = defaultdict(set)
    for text in texts:
        by_first[text[0]].add(text[1:])
    return "|".join(
        re.escape(first) + "(?:" + "|".join(re.escape(rest) for rest in sorted(rests, key=len, reverse=True)) + ")"
        for first, rests in by_first.items()
    )


break_known_marks = MarkBreaker()
"""Breaks the marks of all well-known frames, for where the tokenizer isn't at hand."""
