"""What an answer says against what its reader may know.

An answer to a chat must not say what only other chats hold. A term of the answer is withheld where another chat holds
it as something telling, few chats do, and the owner never said it in this chat. What the contact says proves nothing,
as a guess is no knowledge; unless they said it before anybody else did: then it is theirs.
docs/decisions/0016-who-may-know-it.md has the reasons and the figures.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

from userbot.store.disclosure import Change, Count, DisclosureRepository
from userbot.trust.everyday import is_everyday, is_first_name
from userbot.trust.normalise import clean, fold, fold_all
from userbot.trust.pieces import list_spelled, put_together
from userbot.trust.terms import Sort, Term, list_meant, list_meant_together, list_said

PUBLIC_CHATS = 5
"""What so many other chats hold is no secret of one of them."""

RARE_CHATS = 2
"""A phrase tells something where one of its words is held by so many chats at most."""

BATCH = 500
"""Messages indexed in one transaction: about 20 ms."""

SHORT_ANSWER_WORDS = 3

_VERDICT = re.compile(
    r"\b(?:да|нет|ага|угу|неа|не|верно|точно|именно|правильно|угадал\w*|конечно|ошиб\w+|мимо|холодно|тепло|горячо|почти|так"
    r"|yes|yeah|yep|yup|no|nope|nah|right|correct|exactly|wrong|true|false|sure|indeed|almost|close|cold|warm|maybe"
    r"|da|net|aga)\b|^\W*[+\-👍👎✅❌]",
    re.IGNORECASE,
)


_WORD = re.compile(r"[^\W\d_]+")
_OPEN_QUESTION = re.compile(
    r"\b(?:как|что|где|куда|когда|кто|кого|почему|зачем|сколько|какой|какая|какое|какие|how|what|where|when|who|why|which)\b",
    re.IGNORECASE,
)

Places = dict[str, list[Count]]
"""Where each term was said, by its key."""


class DisclosureIndex:
    """Keeps the disclosure index up to date, and judges answers by it.

    Args:
        repository: Where the index lies.
    """

    def __init__(self, repository: DisclosureRepository) -> None:
        self._repository = repository
        self._hash = lru_cache(maxsize=200_000)(_make_hash(repository.key()))

    def update(self, *, limit: int = BATCH) -> int:
        """Index messages that wait for it, a batch; return how many there were."""
        return self._repository.take(self._count, limit=limit)

    def is_current(self, *, catch_up: int = 4 * BATCH) -> bool:
        """Tell whether every stored message is indexed, after catching up with a few."""
        if self._repository.count_waiting(limit=catch_up + 1) > catch_up:
            return False
        while self.update():
            pass
        return True

    def judge(self, chat_id: int, answer: str, *, before: Sequence[str] = (), asked: Sequence[str] = ()) -> Sort | None:
        """Return what an answer gives away that this chat's contact may not know, or None.

        Args:
            chat_id: Where the answer would go.
            answer: Its bubbles as lines.
            before: The clone's answers before it, oldest first: a secret may come in pieces.
            asked: What the contact wrote last: a `yes` to a guess gives it away.
        """
        terms = list_meant(answer)
        if before:
            terms += list_meant_together([*before, answer])
        known = {term for text in before for term in list_meant(text)}
        for reading in put_together(answer, before):
            terms += [term for term in list_meant(reading) if term not in known]
        echoed = {fold(word) for text in asked for word in _WORD.findall(text) if is_first_name(word)}
        settled = [term for text in asked if _settles(answer, text) for term in list_meant(text)]
        terms = [term for term in (*terms, *settled) if term.sort is not Sort.NAME or term.form not in echoed]
        places = self._find(terms)
        sort = next((sort for sort in Sort if self._gives_away(sort, terms, chat_id, places)), None)
        return sort or self._find_spelled(chat_id, answer, before)

    def _find_spelled(self, chat_id: int, answer: str, before: Sequence[str]) -> Sort | None:
        """Look for words of other chats in letters written apart: nobody spells a word that is no secret."""
        words = [word for word in list_spelled(answer, before) if not is_everyday(word)]
        places = self._find(Term(Sort.NAME, form) for word in words for form in fold_all(word))
        rare = any(
            _is_kept_from(chat_id, counts) and sum(count.chat_id != chat_id for count in counts) <= RARE_CHATS
            for counts in places.values()
        )
        return Sort.NAME if rare else None

    def is_known(self, chat_id: int, text: str) -> bool:
        """Tell whether the owner said all numbers and words of a text in a chat."""
        terms = list_said(text)
        places = self._find(terms)
        return bool(terms) and all(
            any(count.chat_id == chat_id and count.owner > 0 for count in places[term.key]) for term in terms
        )

    def _gives_away(self, sort: Sort, terms: Sequence[Term], chat_id: int, places: Places) -> bool:
        found = [term for term in terms if term.sort is sort and _is_kept_from(chat_id, places[term.key])]
        if sort is Sort.PHRASE:
            return _tells_phrase(found, chat_id, places)
        return any(_is_telling([c for c in places[term.key] if c.chat_id != chat_id]) for term in found)

    def _find(self, terms: Iterable[Term]) -> Places:
        keys = {term.key for term in terms} | {_word(form).key for term in terms for form in term.words}
        hashes = {self._hash(key): key for key in keys}
        places: Places = defaultdict(list)
        for count in self._repository.find(hashes):
            places[hashes[count.term]].append(count)
        return places

    def _count(self, changes: Sequence[Change]) -> list[Count]:
        sums: dict[tuple[int, int], list[int]] = {}
        for change in changes:
            for text, by_owner, sign in ((change.was, change.was_by_owner, -1), (change.now, change.now_by_owner, 1)):
                for key, weight in _gather(text).items() if text else ():
                    place = (self._hash(key), change.chat_id)
                    entry = sums.setdefault(place, [0, 0, 0, change.said_at])
                    entry[0 if by_owner else 1] += sign
                    entry[2] += sign * weight
                    entry[3] = min(entry[3], change.said_at)
        return [Count(term, chat_id, *entry) for (term, chat_id), entry in sums.items()]


def _is_kept_from(chat_id: int, counts: Sequence[Count]) -> bool:
    """Tell whether a few other chats hold a term, and this one's contact does not know it from the owner or himself."""
    others = [count for count in counts if count.chat_id != chat_id]
    if not 0 < len(others) < PUBLIC_CHATS:
        return False
    here = next((count for count in counts if count.chat_id == chat_id), None)
    return here is None or not (here.owner > 0 or here.first_at < min(count.first_at for count in others))


def _is_telling(counts: Sequence[Count]) -> bool:
    # A word that is written small most of the time is a word, though somebody once wrote it as a name.
    return sum(count.marked for count in counts) >= sum(count.owner + count.contact for count in counts)


def _tells_phrase(pairs: Sequence[Term], chat_id: int, places: Places) -> bool:
    """Tell whether pairs of words that few chats hold make a phrase of one of these chats.

    Two pairs do, one of which neither word is of everyday talk and one is in no other chat, and one in quotation marks.
    """
    by_chat: Counter[int] = Counter()
    for pair in pairs:
        holders = [sum(c.chat_id != chat_id for c in places[_word(form).key]) for form in pair.words]
        rare = pair.rare and min(holders) == 1 and max(holders) <= RARE_CHATS
        for count in places[pair.key]:
            if count.chat_id != chat_id and (count.marked or min(holders) <= RARE_CHATS):
                by_chat[count.chat_id] += 2 if rare or count.marked else 1
    return any(weight >= 2 for weight in by_chat.values())


def _gather(text: str) -> dict[str, int]:
    terms: dict[str, int] = {}
    for term in list_said(text):
        terms[term.key] = max(terms.get(term.key, 0), term.weight)
    return terms


def _word(form: str) -> Term:
    return Term(Sort.NAME, form)


def _settles(answer: str, question: str) -> bool:
    """Tell whether an answer may say yes or no to a guess: it has such a word, or is too short to be anything else."""
    words = clean(answer).split()
    if _VERDICT.search(" ".join(words[:4])) is not None:
        return True
    return len(words) <= SHORT_ANSWER_WORDS and _OPEN_QUESTION.search(clean(question)) is None


def _make_hash(key: bytes) -> Callable[[str], int]:
    def hash_term(text: str) -> int:
        return int.from_bytes(blake2b(text.encode(), digest_size=8, key=key).digest(), "big", signed=True)

    return hash_term
