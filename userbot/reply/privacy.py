"""What must stay private in a reply: what other chats hold, and private values by their form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from userbot.domain.messages import Message, Origin, Reply
from userbot.reply.guard import PrivacyFinding
from userbot.reply.policy import PolicyInput
from userbot.trust.detectors import CustomPattern, detect
from userbot.trust.disclosure import DisclosureIndex

SHORT_BURST_WORDS = 4
"""A burst so short may be the second half of a question: `Rex-42`, and then `yes or no?`."""

QUESTIONS_BEFORE = 2


class PrivacyGuard:
    """Looks through replies before they leave, in draft mode too (`userbot.reply.guard.PrivacyCheck`).

    Args:
        index: Knows which chat holds what.
        together: Replies that are judged together, the new one among them.
        patterns: The owner's own patterns of private values.
    """

    def __init__(self, index: DisclosureIndex, *, together: int, patterns: Sequence[CustomPattern] = ()) -> None:
        self._index = index
        self._together = together
        self._patterns = patterns

    def is_ready(self) -> bool:
        """Tell whether all that was stored is known; nothing may be judged before."""
        return self._index.is_current()

    def inspect(self, reply: Reply, situation: PolicyInput) -> PrivacyFinding | None:
        """Return what must not leave in a reply, or None; see `userbot.reply.guard.PrivacyCheck`."""
        text, chat_id = "\n".join(reply.bubbles), situation.chat.id
        before = list(_list_replies(situation.window))[-(self._together - 1) :] if self._together > 1 else []
        sort = self._index.judge(chat_id, text, before=before, asked=_list_questions(situation))
        if sort is not None:
            return PrivacyFinding(f"{sort} that only other chats hold")
        kind = self._find_value(chat_id, text, before)
        return None if kind is None else PrivacyFinding(f"a private value of the kind {kind}")

    def _find_value(self, chat_id: int, text: str, before: Sequence[str]) -> str | None:
        # A value may begin in an earlier reply; what lies wholly before this one is out already.
        for whole in dict.fromkeys((text, "\n".join([*before, text]), " ".join([*before, text]))):
            border = len(whole) - len(text)
            for finding in detect(whole, self._patterns):
                if finding.end > border and not self._index.is_known(chat_id, whole[finding.start : finding.end]):
                    return finding.kind.replace("_", " ")
        return None


def _list_replies(window: Sequence[Message]) -> Iterator[str]:
    """Yield what the clone said, reply by reply, oldest first."""
    bubbles: list[str] = []
    for message in window:
        if message.origin is Origin.CLONE:
            bubbles.append(message.text)
        elif bubbles:
            yield "\n".join(bubbles)
            bubbles = []
    if bubbles:
        yield "\n".join(bubbles)


def _list_questions(situation: PolicyInput) -> list[str]:
    burst = [message.text for message in situation.burst]
    if sum(len(text.split()) for text in burst) > SHORT_BURST_WORDS:
        return burst
    waiting = {message.id for message in situation.burst}
    earlier = [m.text for m in situation.window if m.origin is Origin.CONTACT and m.id not in waiting]
    return [*earlier[-QUESTIONS_BEFORE:], *burst]
