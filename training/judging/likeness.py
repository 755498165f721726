"""Likeness: how much generated replies resemble the real ones, by distances, rates and a classifier.

Everything here takes lists of replies, each the tuple of its bubbles, and knows nothing of models. Reply `i` of the
clone and reply `i` of the owner answer the same context.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

Bubbles = tuple[str, ...]
"""A reply."""

MIN_PAIRS = 10
"""With fewer pairs the classifier's figure means nothing, so none is given."""

VERBATIM_CHARS = 20
"""Shorter replies ("ok, see you") are everybody's, so equal ones are no copies."""

MANY_BUBBLES = 6
"""Stands for so many bubbles and more."""

_EMOJI = re.compile("[\u2600-\u27bf\U0001f000-\U0001faff]")
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Likeness:
    """Figures of one set of replies compared with the owner's.

    Distances run from 0 (the same) to 1 (nothing in common); rates are shares of the clone's replies.

    Args:
        replies: Number of pairs compared.
        length: Largest gap between the distributions of characters per reply (Kolmogorov-Smirnov).
        bubbles: Distance of bubbles per turn, total variation; so are the next four.
        case: Distance of how bubbles begin: lower case, capital, all capitals.
        punctuation: Distance of how bubbles end.
        emoji: Distance of emoji per reply.
        language: Distance of the scripts that replies are written in.
        auc: How well character n-grams tell the clone from the owner: 0.5 not at all, 1 always; None with few pairs.
        repetition: Replies that repeat themselves inside.
        sameness: Replies equal to an earlier reply.
        owner_sameness: Share of the owner's replies equal to an earlier one: the owner often says "ok" too.
        empty: Replies without text.
        overlong: Replies longer than twice the owner's 99th percentile.
        copied: Replies that repeat a training turn word for word.
    """

    replies: int
    length: float
    bubbles: float
    case: float
    punctuation: float
    emoji: float
    language: float
    auc: float | None
    repetition: float
    sameness: float
    owner_sameness: float
    empty: float
    overlong: float
    copied: float

    @property
    def score(self) -> float:
        """Return one minus the mean distance, the classifier's counted as one of them; 1 is a perfect likeness.

        An AUC below 0.5 is chance, and counts as 0.5.
        """
        distances = [self.length, self.bubbles, self.case, self.punctuation, self.emoji, self.language]
        if self.auc is not None:
            distances.append(2 * max(0.0, self.auc - 0.5))
        return 1 - sum(distances) / len(distances)


def measure_likeness(
    clone: Sequence[Bubbles], owner: Sequence[Bubbles], *, supervised: Iterable[Bubbles] = ()
) -> Likeness:
    """Compare the clone's replies with the owner's own.

    Args:
        clone: Generated replies; a reply without bubbles is empty.
        owner: Real replies to the same contexts, in the same order.
        supervised: Owner turns of the training data, to find copies.

    Returns:
        The figures; without `supervised` no reply counts as copied.

    Raises:
        ValueError: The lists are empty, or differ in length.
    """
    if not owner or len(clone) != len(owner):
        raise ValueError(f"{len(clone)} replies of the clone can't be paired with {len(owner)} of the owner")
    nonempty = [reply for reply in clone if join(reply)]
    return Likeness(
        replies=len(owner),
        length=gap_of_lengths(nonempty, owner),
        bubbles=_compare(nonempty, owner, count_bubbles),
        case=_compare(list_bubbles(nonempty), list_bubbles(owner), name_case),
        punctuation=_compare(list_bubbles(nonempty), list_bubbles(owner), name_ending),
        emoji=_compare(nonempty, owner, count_emoji),
        language=_compare(nonempty, owner, name_script),
        auc=tell_apart(clone, owner),
        repetition=_share(clone, repeats_itself),
        sameness=share_of_echoes(clone),
        owner_sameness=share_of_echoes(owner),
        empty=_share(clone, lambda reply: not join(reply)),
        overlong=share_overlong(clone, owner),
        copied=share_copied(clone, supervised),
    )


def join(reply: Bubbles) -> str:
    """Return a reply as one text, one line per bubble."""
    return "\n".join(reply).strip()


def list_bubbles(replies: Sequence[Bubbles]) -> list[Bubbles]:
    """Return every bubble with text as a reply of its own."""
    return [(bubble,) for reply in replies for bubble in reply if bubble.strip()]


def count_bubbles(reply: Bubbles) -> int:
    """Count bubbles; six stands for six and more."""
    return min(len(reply), MANY_BUBBLES)


def name_case(reply: Bubbles) -> str:
    """Tell how a text begins: `lower`, `capital`, `shout` (all capitals), or `none` without letters."""
    letters = [char for char in join(reply) if char.isalpha()]
    if not letters:
        return "none"
    if len(letters) > 3 and all(char.isupper() for char in letters):
        return "shout"
    return "capital" if letters[0].isupper() else "lower"


def name_ending(reply: Bubbles) -> str:
    """Tell how a text ends: one of `.`, `?`, `!`, `)`, `(`, `…`, or `emoji`, another `mark`, a `word`, or `nothing`."""
    text = join(reply)
    if not text:
        return "nothing"
    last = text[-1]
    if text.endswith(("...", "…")):
        return "…"
    if last in ".?!)(":
        return last
    if _EMOJI.match(last) or last == "\ufe0f":
        return "emoji"
    return "mark" if unicodedata.category(last).startswith(("P", "S")) else "word"


def count_emoji(reply: Bubbles) -> int:
    """Count the emoji of a reply; three stands for three and more."""
    return min(3, len(_EMOJI.findall(join(reply))))


def name_script(reply: Bubbles) -> str:
    """Tell a reply's language by its script: `cyrillic`, `latin`, `mixed`, `other`, or `none` without letters."""
    scripts = {_script(char) for char in join(reply) if char.isalpha()}
    if not scripts:
        return "none"
    return scripts.pop() if len(scripts) == 1 else "mixed"


def share(replies: Sequence[Bubbles], name: Callable[[Bubbles], Hashable]) -> dict[Hashable, float]:
    """Return the distribution of a trait, such as `name_case`, over replies: shares that sum to 1.

    Args:
        replies: At least one reply.
        name: Returns the trait of one reply.
    """
    counts = Counter(map(name, replies))
    return {key: count / len(replies) for key, count in counts.items()}


def distance(one: dict[Hashable, float], other: dict[Hashable, float]) -> float:
    """Return the total variation distance of two distributions: half the sum of absolute differences, 0 to 1."""
    return sum(abs(one.get(key, 0.0) - other.get(key, 0.0)) for key in {*one, *other}) / 2


def gap_of_lengths(clone: Sequence[Bubbles], owner: Sequence[Bubbles]) -> float:
    """Return the largest gap between the two cumulative distributions of reply length in characters, 0 to 1."""
    if not clone or not owner:
        return 1.0
    sides = [np.sort([len(join(reply)) for reply in side]) for side in (clone, owner)]
    points = np.concatenate(sides)
    below = [np.searchsorted(side, points, side="right") / len(side) for side in sides]
    return float(np.abs(below[0] - below[1]).max())


def tell_apart(clone: Sequence[Bubbles], owner: Sequence[Bubbles], *, folds: int = 5, seed: int = 7) -> float | None:
    """Train a character n-gram classifier to tell clone from owner, and measure it by cross-validation.

    Both replies to one context are always in the same fold, so that the classifier can't gain from having seen the
    topic. Empty replies are left out with their partners: their share is a figure of its own.

    Args:
        clone: Generated replies.
        owner: Real replies to the same contexts, in the same order.
        folds: Number of folds.
        seed: Seed of the split into folds.

    Returns:
        The area under the ROC curve: 0.5 when it can only guess, 1 when it is always right; None below MIN_PAIRS pairs.
    """
    pairs = [(join(made), join(real)) for made, real in zip(clone, owner, strict=True) if join(made) and join(real)]
    if len(pairs) < MIN_PAIRS:
        return None
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline

    texts = [f"\n{text}\n" for pair in pairs for text in pair]
    labels = np.tile([1, 0], len(pairs))
    groups = np.repeat(np.arange(len(pairs)), 2)
    model = make_pipeline(
        TfidfVectorizer(analyzer="char", ngram_range=(1, 4), lowercase=False, sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=1000),
    )
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    scores = cross_val_predict(model, texts, labels, groups=groups, cv=splitter, method="decision_function")
    return float(roc_auc_score(labels, scores))


def repeats_itself(reply: Bubbles) -> bool:
    """Tell whether a reply says a bubble twice, or three words in a row twice."""
    texts = [bubble.strip().casefold() for bubble in reply if len(bubble.strip()) > 3]
    if len(set(texts)) < len(texts):
        return True
    words = _WORD.findall(join(reply).casefold())
    triples = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(triples)) < len(triples)


def share_of_echoes(replies: Sequence[Bubbles]) -> float:
    """Return the share of replies that are equal to an earlier one."""
    return 1 - len({_plain(reply) for reply in replies}) / len(replies)


def share_overlong(clone: Sequence[Bubbles], owner: Sequence[Bubbles]) -> float:
    """Return the share of the clone's replies longer than twice the owner's 99th percentile."""
    limit = 2 * float(np.quantile([len(join(reply)) for reply in owner], 0.99))
    return _share(clone, lambda reply: len(join(reply)) > limit)


def share_copied(clone: Sequence[Bubbles], supervised: Iterable[Bubbles]) -> float:
    """Return the share of replies of VERBATIM_CHARS or more that are a training turn, but for case and spaces."""
    known: Collection[str] = {_plain(turn) for turn in supervised}
    return _share(clone, lambda reply: len(_plain(reply)) >= VERBATIM_CHARS and _plain(reply) in known)


def _compare(clone: Sequence[Bubbles], owner: Sequence[Bubbles], name: Callable[[Bubbles], Hashable]) -> float:
    return distance(share(clone, name), share(owner, name)) if clone and owner else 1.0


def _share(replies: Sequence[Bubbles], test: Callable[[Bubbles], bool]) -> float:
    return sum(map(test, replies)) / len(replies)


def _plain(reply: Bubbles) -> str:
    return " ".join(join(reply).casefold().split())


def _script(char: str) -> str:
    name = unicodedata.name(char, "")
    return next((script for script in ("CYRILLIC", "LATIN") if name.startswith(script)), "OTHER").lower()
