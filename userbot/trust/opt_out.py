"""A contact asks for no bot: answers are turned off and consent is withdrawn, until the owner turns them on again.

One member of a group speaks for themselves only: their messages are neither answered nor shown to the model nor trained
on, and the rest of the group goes on. Forwards, quotations and messages of bots are nobody's own wish.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from userbot.domain.exclusions import Exclusion
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.store import Store
from userbot.store.decisions import Bubble, Decision, ReplyState
from userbot.store.facts import EXCLUSIONS, OPTED_OUT
from userbot.trust.consent import withdraw
from userbot.trust.opt_out_words import OptOutWords

REASON = "the contact asked for no bot"


@dataclass(frozen=True, slots=True)
class OptOut:
    """A wish that was followed.

    Args:
        chat: As it was before.
        confirmed: A sentence that confirms it stands in the outbox.
        notice: For the owner; it holds no word of the contact's.
    """

    chat: Chat
    confirmed: bool
    notice: str


class OptOuts:
    """Follows wishes for no bot.

    Args:
        store: Holds the chats.
        patterns: The owner's own expressions for such a wish, beside those built in.
        confirmation: The one sentence that the contact gets.
    """

    def __init__(self, store: Store, *, patterns: Iterable[str] = (), confirmation: str) -> None:
        self._store = store
        self._words = OptOutWords(patterns)
        self._confirmation = confirmation

    def concern(self, message: Message) -> bool:
        """Tell whether a message asks for no bot, and there is something to turn off."""
        if message.origin is not Origin.CONTACT or message.forwarded or message.via_bot:
            return False
        if not self._words.ask(message.text):
            return False
        chat = self._store.chats.get(message.chat_id)
        if chat is not None and chat.kind is ChatKind.GROUP:
            return message.sender_id is not None and message.sender_id not in list_left_out(self._store, chat.id)
        return chat is not None and (chat.mode is not Mode.OFF or chat.consent_at is not None)

    def take(self, message: Message, *, random_id: int) -> OptOut | None:
        """Follow a message that asks for no bot; None where `concern` says that there is nothing to do.

        Args:
            message: As it is in the store.
            random_id: Of the confirmation, so that it arrives once.
        """
        chat = self._store.chats.get(message.chat_id)
        if chat is None or not self.concern(message):
            return None
        self._turn_off(chat, message)
        # Who is not answered by themselves gets no sentence by itself either.
        confirmed = chat.mode is Mode.AUTO and self._confirm(message, random_id)
        return OptOut(chat, confirmed, _tell(chat, message))

    def _turn_off(self, chat: Chat, message: Message) -> None:
        if chat.kind is ChatKind.GROUP:
            leave_out(self._store, chat.id, message.sender_id or 0)
            withdraw(self._store, chat.id, reason="opted out", member=message.sender_id, origin="contact")
            return
        self._store.chats.set_mode(chat.id, Mode.OFF)
        withdraw(self._store, chat.id, reason="opted out", origin="contact")

    def _confirm(self, message: Message, random_id: int) -> bool:
        decision = Decision(
            chat_id=message.chat_id, trigger_id=message.id, state=ReplyState.QUEUED, reason=REASON, timings={}
        )
        bubble = Bubble(
            text=self._confirmation, random_id=random_id, due_at=self._store.clock(), reply_to_id=message.id
        )
        return self._store.replies.decide(decision, [bubble]) is not None


def leave_out(store: Store, chat_id: int, sender_id: int) -> bool:
    """Leave a group's member alone: no answers to them, no training on their messages; False where that is so."""
    left = store.facts.get(OPTED_OUT) or {}
    if sender_id in left.get(chat_id, ()):
        return False
    rules = store.facts.get(EXCLUSIONS) or ()
    if (rule := _rule(chat_id, sender_id)) not in rules:
        store.facts.set(EXCLUSIONS, (*rules, rule))
    store.facts.set(OPTED_OUT, {**left, chat_id: (*left.get(chat_id, ()), sender_id)})
    return True


def take_in(store: Store, chat_id: int, sender_id: int) -> bool:
    """Answer a group's member again, at the owner's command; False where they had not opted out."""
    left = store.facts.get(OPTED_OUT) or {}
    if sender_id not in left.get(chat_id, ()):
        return False
    rest = tuple(one for one in left[chat_id] if one != sender_id)
    kept = {**{key: ids for key, ids in left.items() if key != chat_id}, **({chat_id: rest} if rest else {})}
    store.facts.set(OPTED_OUT, kept or None)
    rules = tuple(rule for rule in store.facts.get(EXCLUSIONS) or () if rule != _rule(chat_id, sender_id))
    store.facts.set(EXCLUSIONS, rules or None)
    return True


def list_left_out(store: Store, chat_id: int) -> tuple[int, ...]:
    """Return the members of a group who asked for no bot."""
    return (store.facts.get(OPTED_OUT) or {}).get(chat_id, ())


def _rule(chat_id: int, sender_id: int) -> Exclusion:
    return Exclusion(chat_id=chat_id, person=str(sender_id))


def _tell(chat: Chat, message: Message) -> str:
    if chat.kind is ChatKind.GROUP:
        return (
            f"A member ({message.sender_id}) of {chat.title} ({chat.id}) asked for no bot. Their messages are neither "
            f"answered nor trained on. To undo it: clone chats opt-in {chat.id} {message.sender_id}"
        )
    return (
        f"{chat.title} ({chat.id}) asked for no bot. Answers there are off and consent is withdrawn. To turn "
        f"answers on again: /clone allow {chat.id}"
    )
