"""Names of people in Russian text, by natasha, whose model comes in its wheel. Needs the extra `names`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

from userbot.domain.errors import MissingExtraError
from userbot.domain.placeholders import Masked
from userbot.trust.detectors import Finding


def find_names(text: str) -> tuple[Finding, ...]:
    """Find names of people; several milliseconds for a message, so for masking only, never at reply time.

    Raises:
        MissingExtraError: natasha is not installed.
    """
    return tuple(_find(text)) if any(map(str.isupper, text)) else ()


def _find(text: str) -> Iterator[Finding]:
    segmenter, tagger = _load()
    from natasha import Doc

    document = Doc(text)
    document.segment(segmenter)
    document.tag_ner(tagger)
    yield from (Finding(span.start, span.stop, Masked.NAME) for span in document.spans if span.type == "PER")


@cache
def _load() -> tuple[Any, Any]:
    try:
        from natasha import NewsEmbedding, NewsNERTagger, Segmenter
    except ImportError as exc:
        raise MissingExtraError(
            "Masking names needs the extra `names`: pip install '.[names]' in the program's folder, or leave "
            "data.mask_names off."
        ) from exc
    return Segmenter(), NewsNERTagger(NewsEmbedding())
