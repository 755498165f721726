"""Record that a reply was withheld, and take a chat off automatic answers where that happens again and again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from userbot.domain.messages import Chat, Mode
from userbot.domain.plural import format_count
from userbot.reply.writing import Written
from userbot.store import Store
from userbot.store.decisions import Decision, ReplyState

_TITLE_CHARS = 60


@dataclass(frozen=True, slots=True)
class Withheld:
    """A reply that was withheld.

    Args:
        decision: As stored.
        kind: What the reply held, a category.
        in_day: Replies withheld in this chat in a day, this one among them.
        drafts_now: The chat gets drafts only from now on.
    """

    decision: Decision
    kind: str
    in_day: int
    drafts_now: bool

    def describe(self, chat: Chat) -> str:
        """Say to the owner what happened, without a word of the reply."""
        title = " ".join(chat.title.split())[:_TITLE_CHARS]
        text = f"An answer to {title} ({chat.id}) was withheld: it held {self.kind}."
        if self.drafts_now:
            text += (
                f" It was one of {format_count(self.in_day, 'such answer')} in a day, so this chat gets drafts only "
                f"from now on; `/clone allow {chat.id}` answers it again."
            )
        return f"{text} See it on the terminal: clone held {chat.id}"


def withhold(store: Store, decision: Decision, written: Written, *, until_draft: int) -> Withheld | None:
    """Store a reply that must not leave, and why; nothing is decided about its burst again.

    Args:
        store: Where it goes.
        decision: As for a reply that is sent.
        written: The reply with its finding.
        until_draft: Replies withheld in a day after which the chat gets drafts only; 0 is never.

    Returns:
        What was stored; None where the burst was decided before.
    """
    if written.finding is None or written.reply is None:
        raise ValueError("only a reply with a finding is withheld")
    kind = written.finding.kind
    stored = store.replies.decide(replace(decision, state=ReplyState.WITHHELD, reason=f"private: {kind}"))
    if stored is None:
        return None
    store.withheld.add(stored.chat_id, stored.trigger_id, kind=kind, text="\n".join(written.reply.bubbles))
    in_day = store.withheld.count(stored.chat_id, since=store.clock() - timedelta(days=1))
    chat = store.chats.get(stored.chat_id)
    drafts_now = bool(until_draft) and in_day >= until_draft and chat is not None and chat.mode is Mode.AUTO
    if drafts_now:
        store.chats.set_mode(stored.chat_id, Mode.DRAFT)
    return Withheld(stored, kind, in_day, drafts_now)
