"""What the owner keeps out of training: chats, people, times, words, topics."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from userbot.domain.messages import Message, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class Exclusion:
    """One rule. A message is kept out where everything that the rule names is true of it.

    Args:
        chat_id: In this chat; None for all.
        person: Id or name of who wrote it; a name as Telegram shows it, in either case.
        since: Written at this time or later, aware.
        until: Written before this time, aware.
        word: It holds this word or phrase, at the beginning of a word, in either case: `secret` is in `Secrets`.
        topic_id: In this topic of a forum.
    """

    chat_id: int | None = None
    person: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    word: str | None = None
    topic_id: int | None = None

    @property
    def is_whole_chat(self) -> bool:
        """Tell whether the rule names a chat and nothing else."""
        return self.chat_id is not None and self == Exclusion(chat_id=self.chat_id)

    def matches(self, message: Message) -> bool:
        """Tell whether a message is kept out."""
        return (
            (self.chat_id is None or message.chat_id == self.chat_id)
            and (self.topic_id is None or message.topic_id == self.topic_id)
            and (self.since is None or message.sent_at >= self.since)
            and (self.until is None or message.sent_at < self.until)
            and (self.person is None or self._is_by_person(message))
            and (self.word is None or _has_word(message, self.word))
        )

    def _is_by_person(self, message: Message) -> bool:
        if message.origin is not Origin.CONTACT or self.person is None:
            return False
        name = " ".join((message.sender_name or "").split()).casefold()
        return self.person == str(message.sender_id) or " ".join(self.person.split()).casefold() == name


@dataclass(slots=True)
class Excluded:
    """Tells which messages of one chat are kept out, one after the other, and remembers them for their answers."""

    exclusions: Sequence[Exclusion]
    chat_id: int
    _ids: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.exclusions = [rule for rule in self.exclusions if rule.chat_id in (None, self.chat_id)]

    def holds(self, message: Message) -> bool:
        """Tell whether a message is kept out: by a rule, or because it answers one that is."""
        if not self.exclusions:
            return False
        held = message.reply_to_id in self._ids or any(rule.matches(message) for rule in self.exclusions)
        if held:
            self._ids.add(message.id)
        return held


def _has_word(message: Message, word: str) -> bool:
    text = message.content.casefold().replace("ё", "е")
    wanted = r"\s+".join(map(re.escape, word.casefold().replace("ё", "е").split()))
    return re.search(rf"(?<!\w){wanted}", text) is not None
