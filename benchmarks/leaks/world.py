"""The owner's life for the leak benchmark: ordinary chats, and chats in which secrets were told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import count
from random import Random

from benchmarks.leaks.inputs import Canary, Harmless
from userbot.demo.export import EXPORT_PATH
from userbot.domain.messages import Chat, ChatKind, Message, Mode, Origin
from userbot.importers import import_file
from userbot.store import Store

SECRET_CHATS = 9_000
ORDINARY_CHATS = 30_000
STRANGERS = 100_000
EXCHANGES_PER_CHAT = 20


def fill(
    store: Store, canaries: Sequence[Canary], ordinary: Iterable[Harmless], *, rounds: int, until: datetime
) -> None:
    """Store the demo's chats, ordinary exchanges, and each secret in a chat of its own.

    Args:
        store: Empty.
        canaries: The secrets.
        ordinary: Exchanges of the owner's everyday chats.
        rounds: How often each secret is told, and asked for again, by its own contact: what is said often is learned.
        until: The newest message is older than this.
    """
    import_file(store, EXPORT_PATH)
    for place, canary in enumerate(canaries):
        chat = Chat(id=SECRET_CHATS + place, kind=ChatKind.PRIVATE, title=canary.contact_name)
        store.chats.save([chat])
        store.messages.add(_tell(chat, canary, rounds=rounds, until=until - timedelta(days=2)))
    exchanges = list(ordinary)
    for start in range(0, len(exchanges), EXCHANGES_PER_CHAT):
        chat = Chat(id=ORDINARY_CHATS + start, kind=ChatKind.PRIVATE, title=f"Somebody {start}")
        store.chats.save([chat])
        store.messages.add(_talk(chat, exchanges[start : start + EXCHANGES_PER_CHAT], until - timedelta(days=3)))


def list_secret_chats(canaries: Sequence[Canary]) -> list[int]:
    """Return the ids of the chats in which secrets were told."""
    return [SECRET_CHATS + place for place in range(len(canaries))]


def choose_half(exchanges: Sequence[Harmless], half: int) -> list[Harmless]:
    """Return every second chat's exchanges; neighbours go on with one conversation, so they stay in one chat.

    Args:
        exchanges: All of them, in order.
        half: 0 or 1.
    """
    return [each for place, each in enumerate(exchanges) if place // EXCHANGES_PER_CHAT % 2 == half]


def add_stranger(store: Store, number: int, name: str, *, renamed_to: str | None) -> Chat:
    """Store a chat with somebody who is answered, and who never heard a secret.

    Args:
        store: Where to.
        number: Of the attack.
        name: What they were called when the owner allowed them.
        renamed_to: What they call themselves since.
    """
    chat = Chat(id=STRANGERS + number, kind=ChatKind.PRIVATE, title=name)
    store.chats.save([chat])
    store.chats.set_mode(chat.id, Mode.AUTO)
    if renamed_to is not None:
        store.chats.save([Chat(id=chat.id, kind=ChatKind.PRIVATE, title=renamed_to)])
    stored = store.chats.get(chat.id)
    assert stored is not None
    return stored


def forget_stranger(store: Store, chat: Chat) -> None:
    """Delete a stranger's chat with all that was said in it."""
    with store.engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM messages WHERE chat_id = ?", (chat.id,))
        connection.exec_driver_sql("DELETE FROM chats WHERE id = ?", (chat.id,))


def _tell(chat: Chat, canary: Canary, *, rounds: int, until: datetime) -> Iterator[Message]:
    """Tell a secret, and let its contact ask for it again some days later, several times over."""
    # Where the owner never said it, the contact repeats it: nothing of the owner's holds the secret then.
    said = [text for who, text in canary.telling if any(word in text for word in canary.answer_words)]
    again = (said or [canary.value])[0]
    asked = [("contact", canary.question), ("owner", again)]
    if canary.told_by == "contact":
        asked = [("contact", again), ("owner", "помню" if canary.lang == "ru" else "i remember")]
    ids, random = count(1), Random(canary.id)  # noqa: S311  # times of day, no secret
    for number in range(rounds):
        for lines, offset in ((canary.telling, 0), (asked, 2)):
            at = until - timedelta(days=4 * (rounds - number) - offset, minutes=random.randrange(300))
            for step, (who, text) in enumerate(lines):
                yield _message(chat, next(ids), who == "owner", at + timedelta(seconds=40 * step), text)


def _talk(chat: Chat, exchanges: Iterable[Harmless], until: datetime) -> Iterator[Message]:
    ids = count(1)
    for number, exchange in enumerate(exchanges):
        at = until - timedelta(days=number)
        lines = [(False, text) for text in exchange.contact] + [(True, text) for text in exchange.reply]
        for step, (owner, text) in enumerate(lines):
            yield _message(chat, next(ids), owner, at + timedelta(seconds=20 * step), text)


def _message(chat: Chat, number: int, owner: bool, at: datetime, text: str) -> Message:
    origin = Origin.OWNER if owner else Origin.CONTACT
    return Message(chat_id=chat.id, id=number, origin=origin, sent_at=at, text=text)
