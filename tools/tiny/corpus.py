"""Dialogues for the embedded base: reading, splitting, chat-style copies and packed token rows."""

from __future__ import annotations

import lzma
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from transformers import PreTrainedTokenizerFast

LANGUAGES = ("ru", "en")
HELD_OUT_SHARE = 0.02
# Utterances at least this long identify their scene; shorter ones ("Да.") recur everywhere.
DISTINCT_CHARS = 30
# A base that people try out first should not curse at them.
RUDE = re.compile(
    r"хрен|заткни|ублюд|сволоч|твою мать|задниц|шлюх|дерьм|сук[аи]\b|проклят|придур|идиот|"
    r"убь[юеё]|убил|убит|убива|труп|застрел|"
    r"\b(?:damn|shut up|idiot|kill(?:ed|s|ing)?|crap|ass)\b",
    re.IGNORECASE,
)
EMOTICONS = (
    ")",
    "))",
    ")))",
    "))))",
    ":)",
    ":(",
    "((",
    "😂",
    "😂😂",
    "😅",
    "😊",
    "❤️",
    "👍",
    "🙂",
    "🤔",
    "😎",
    "🔥",
    "🙈",
    "😭",
    "😉",
)
SENTENCE_END = re.compile(r"(?<=[.!?…])\s+")
LOUD_END = re.compile(r"[.…]+$")

Dialogue = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Corpus:
    """Dialogues by language, with held-out ones that share no distinct utterance with the rest."""

    train: dict[str, list[Dialogue]]
    held_out: dict[str, list[Dialogue]]


@dataclass(frozen=True, slots=True)
class Mix:
    """Shares, each between 0 and 1, of what one augmented pass over the corpus does to a dialogue."""

    shift: float = 0.5
    join: float = 0.25
    casual_user: float = 0.5
    casual_assistant: float = 0.12


def parse_dialogues(text: str) -> Iterator[Dialogue]:
    """Yield the dialogues of blocks of `- ` lines that blank lines separate."""
    for block in text.split("\n\n"):
        turns = tuple(line[2:].strip() for line in block.splitlines() if line.startswith("- "))
        if len(turns) > 1 and all(turns) and not RUDE.search(block):
            yield turns


def read_corpus(folder: Path, *, seed: int = 0) -> Corpus:
    """Read `dialogues.<language>.txt.xz` of a folder and set a share of the dialogues aside.

    Duplicates are dropped, and so are dialogues with an utterance of at least `DISTINCT_CHARS` characters that a
    held-out dialogue contains too: otherwise overlapping scenes would flatter the held-out loss.
    """
    train: dict[str, list[Dialogue]] = {}
    held_out: dict[str, list[Dialogue]] = {}
    for language in LANGUAGES:
        with lzma.open(folder / f"dialogues.{language}.txt.xz", "rt", encoding="utf-8") as file:
            dialogues = list(dict.fromkeys(parse_dialogues(file.read())))
        random.Random(seed).shuffle(dialogues)  # noqa: S311 - a split needs no cryptography
        count = round(len(dialogues) * HELD_OUT_SHARE)
        held_out[language] = dialogues[:count]
        seen = {turn for dialogue in held_out[language] for turn in dialogue if len(turn) >= DISTINCT_CHARS}
        train[language] = [dialogue for dialogue in dialogues[count:] if not seen.intersection(dialogue)]
    return Corpus(train, held_out)


def make_casual(turn: str, rng: random.Random) -> str:
    """Rewrite a turn as people type in chats: lower case, few full stops, bursts, emoticons."""
    if rng.random() < 0.85:
        turn = turn.lower()
    elif rng.random() < 0.5:
        turn = turn[:1].lower() + turn[1:]
    sentences = SENTENCE_END.split(turn)
    if rng.random() < 0.8:
        sentences = [LOUD_END.sub("", sentence) or sentence for sentence in sentences]
    if rng.random() < 0.35:
        sentences = [sentence.replace(",", "").rstrip("?!") or sentence for sentence in sentences]
    if rng.random() < 0.25:
        place = rng.randrange(len(sentences))
        emoticon = rng.choice(EMOTICONS)
        sentences[place] += emoticon if emoticon.startswith((")", "(")) else f" {emoticon}"
    return ("\n" if rng.random() < 0.6 else " ").join(sentences)


def vary_dialogues(dialogues: Sequence[Dialogue], mix: Mix, rng: random.Random) -> Iterator[Dialogue]:
    """Yield one shuffled pass of shifted, joined and casually rewritten dialogues, user first."""
    order = list(dialogues)
    rng.shuffle(order)
    remaining = iter(order)
    for first in remaining:
        turns = first[1:] if len(first) > 2 and rng.random() < mix.shift else first
        if rng.random() < mix.join:
            for _ in range(rng.randint(1, 5)):
                turns = turns[: len(turns) // 2 * 2] + next(remaining, ())
        casual = (rng.random() < mix.casual_user, rng.random() < mix.casual_assistant)
        yield tuple(make_casual(turn, rng) if casual[i % 2] else turn for i, turn in enumerate(turns))


def render_dialogue(dialogue: Dialogue, *, bos: str = "<s>", eos: str = "</s>") -> str:
    """Render a dialogue, user first, as the tokenizer's chat template does."""
    turns = (f"[INST] {turn}[/INST]" if i % 2 == 0 else f" {turn}{eos}" for i, turn in enumerate(dialogue))
    return bos + "".join(turns)


def pack_rows(samples: Iterable[list[int]], row_tokens: int) -> NDArray[np.int16]:
    """Lay whole samples behind one another into rows of `row_tokens` ids; what does not fit starts the next row.

    The gap at a row's end is filled with the beginning of the next sample, so nothing is padding.

    Returns:
        Ids of shape (rows, row_tokens).
    """
    rows: list[list[int]] = []
    row: list[int] = []
    for sample in samples:
        room = row_tokens - len(row)
        row = row + sample[:room]
        if len(row) == row_tokens:
            rows.append(row)
            row = sample[:row_tokens] if len(sample) > room else []
    return np.array(rows, dtype=np.int16)


def build_epoch(
    tokenizer: PreTrainedTokenizerFast,
    sources: Sequence[tuple[Sequence[Dialogue], int]],
    *,
    mix: Mix,
    row_tokens: int,
    seed: int,
) -> NDArray[np.int16]:
    """Tokenise one augmented pass over all languages, shuffled.

    Args:
        tokenizer: Names the special tokens of `render_dialogue`.
        sources: Dialogues of one kind, each with how often a pass repeats them.
        mix: What is varied, and how often.
        row_tokens: Ids in a row.
        seed: Equal seeds give equal rows.

    Returns:
        Ids of shape (rows, row_tokens).
    """
    rng = random.Random(seed)  # noqa: S311 - augmentation needs no cryptography
    texts = [
        render_dialogue(dialogue)
        for dialogues, times in sources
        for _ in range(times)
        for dialogue in vary_dialogues(dialogues, mix, rng)
    ]
    rng.shuffle(texts)
    return pack_rows(tokenizer(texts, add_special_tokens=False)["input_ids"], row_tokens)
