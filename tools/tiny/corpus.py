"""Dialogues for the embedded base: reading, splitting, rewriting in chat style, packing into token sequences."""

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
    """Dialogues by language.

    Args:
        train: Dialogues to train on.
        held_out: Dialogues that share no utterance of at least DISTINCT_CHARS characters with those of `train`.
    """

    train: dict[str, list[Dialogue]]
    held_out: dict[str, list[Dialogue]]


@dataclass(frozen=True, slots=True)
class Mix:
    """How often one augmented pass over the corpus changes a dialogue; shares from 0 to 1.

    Args:
        shift: Share of the longer dialogues that lose their first turn, so that both speakers are answered.
        join: Share of the dialogues that others are appended to.
        casual_user: Share of the dialogues whose user turns are rewritten as people type in chats.
        casual_assistant: Share of the dialogues whose assistant turns are.
    """

    shift: float = 0.5
    join: float = 0.25
    casual_user: float = 0.5
    casual_assistant: float = 0.12


def parse_dialogues(text: str) -> Iterator[Dialogue]:
    """Yield the dialogues of a text: blocks of `- ` lines, separated by blank lines.

    Blocks of one line, with an empty turn, or with a rude word are left out.
    """
    for block in text.split("\n\n"):
        turns = tuple(line[2:].strip() for line in block.splitlines() if line.startswith("- "))
        if len(turns) > 1 and all(turns) and not RUDE.search(block):
            yield turns


def read_corpus(folder: Path, *, seed: int = 0) -> Corpus:
    """Read `dialogues.<language>.txt.xz` of a folder and set a share of the dialogues aside.

    Duplicates are dropped, and so are dialogues with an utterance of at least `DISTINCT_CHARS` characters that a
    held-out dialogue contains too: otherwise overlapping scenes would flatter the held-out loss.

    Args:
        folder: Holds one file for each of LANGUAGES.
        seed: Seed of the split; equal seeds give equal splits.

    Raises:
        FileNotFoundError: A language's file is missing.
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
    """Yield one shuffled pass over dialogues, shifted, joined and rewritten as the mix says; the user begins each."""
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
    """Render a dialogue as the tokenizer's chat template does; the user begins."""
    turns = (f"[INST] {turn}[/INST]" if i % 2 == 0 else f" {turn}{eos}" for i, turn in enumerate(dialogue))
    return bos + "".join(turns)


def pack_samples(samples: Iterable[list[int]], sequence_tokens: int) -> NDArray[np.int16]:
    """Lay samples end to end into sequences of one length; a sample that does not fit begins the next sequence.

    The gap at the end of a sequence is filled with the beginning of that sample, so nothing is padding. A last sequence
    that is not full is dropped, and so is what a sample has beyond one sequence.

    Args:
        samples: Token ids of each sample.
        sequence_tokens: Length of a sequence, tokens.

    Returns:
        Token ids; shape (sequences, sequence_tokens).
    """
    sequences: list[list[int]] = []
    sequence: list[int] = []
    for sample in samples:
        free = sequence_tokens - len(sequence)
        sequence = sequence + sample[:free]
        if len(sequence) == sequence_tokens:
            sequences.append(sequence)
            sequence = sample[:sequence_tokens] if len(sample) > free else []
    return np.array(sequences, dtype=np.int16)


def build_epoch(
    tokenizer: PreTrainedTokenizerFast,
    sources: Sequence[tuple[Sequence[Dialogue], int]],
    *,
    mix: Mix,
    sequence_tokens: int,
    seed: int,
) -> NDArray[np.int16]:
    """Tokenise one augmented pass over all languages, shuffled.

    Args:
        tokenizer: Tokenizer that knows the special tokens of `render_dialogue`.
        sources: Dialogues of one kind, each with how often a pass repeats them.
        mix: What is changed, and how often.
        sequence_tokens: Length of a sequence, tokens.
        seed: Seed of all choices; equal seeds give equal sequences.

    Returns:
        Token ids; shape (sequences, sequence_tokens).
    """
    rng = random.Random(seed)  # noqa: S311 - augmentation needs no cryptography
    texts = [
        render_dialogue(dialogue)
        for dialogues, times in sources
        for _ in range(times)
        for dialogue in vary_dialogues(dialogues, mix, rng)
    ]
    rng.shuffle(texts)
    return pack_samples(tokenizer(texts, add_special_tokens=False)["input_ids"], sequence_tokens)
