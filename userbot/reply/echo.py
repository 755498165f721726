"""Is this the clone's own message? The rule, stated once; whoever asks elsewhere refers to this module.

The clone writes through the owner's account, so Telegram gives back what it sent as a message of the owner's. Taken for
the owner's, it would pause the chat, count as the owner's word, and be trained on. A message of the owner's account is
the clone's where one of three things holds:

- *sent*: its id is known as that of a bubble that was delivered;
- *tried*: a bubble of the same chat and text was tried and its delivery is not known yet; once, and within a day;
- *stored*: it is in the store as the clone's. That is for good: nothing stored later changes it.

Everything else that the owner's account wrote is the owner's. Names below are modules of `userbot`.

=====================================  =====================================================  ================
it comes back as                       recognised by                                          on the strength of
=====================================  =====================================================  ================
the answer to the send itself          `telegram.sender.Sender.send` returns it, origin       sent
                                       `clone`, and `reply.outbox` stores it (`mark_sent`)
a duplicate of a random id sent        `telegram.sender.Sender`, among the newest messages    tried
before                                 of the chat
an update before that answer           `reply.responder` lets it wait for the answer          sent, or tried if
                                       (`may_be_on_its_way`), then `settle_echo`              no answer comes
an update or a difference after it     `telegram.traces.OwnTraces`, asked by                  sent
                                       `telegram.updates.UpdateReader.recognise`
a difference after a lost answer       the same, and `settle_echo`, which marks the bubble    tried
                                       as sent, so that it is not sent again
a difference after a crash in          the same; the traces are given `list_unconfirmed` at   tried
mid-send                               the start
a message that the reconciler found    `telegram.reconcile` by `UpdateReader.recognise`,      sent or tried
                                       then `settle_echo`
an edit of it                          `UpdateReader.recognise`; the store changes the text   stored
                                       alone
a page of a history pull               `telegram.history` by `UpdateReader.recognise`, and    sent or stored
                                       `store.messages.MessageRepository.add`
an imported JSON export                `store.messages.MessageRepository.add`: the ids are    stored
                                       Telegram's own
an imported HTML export                `importers.ingestion`, by id and text (`texts_of_      stored
                                       clone`), because its chats have other ids
=====================================  =====================================================  ================

With the database lost, nothing tells the clone's old messages from the owner's any more: keep backups.
"""

from __future__ import annotations

from dataclasses import replace

from userbot.domain.messages import Message, Origin
from userbot.store import Store


def settle_echo(store: Store, message: Message) -> bool:
    """Recognise the clone's own message among those of the owner's account, and store what it settles.

    A message that a tried bubble accounts for is stored as the clone's and marks the bubble as sent, so that a sending
    cut short by a crash is not repeated.

    Args:
        store: Where replies and messages are.
        message: Not the contact's.

    Returns:
        Whether it is the clone's.
    """
    if store.replies.is_clone_message(message.chat_id, message.id):
        return True
    item = store.replies.find_unconfirmed(message.chat_id, message.text, sent_at=message.sent_at)
    if item is not None:
        store.replies.mark_sent(item, replace(message, origin=Origin.CLONE))
        return True
    if message.origin is Origin.CLONE:  # its traces said so
        store.messages.add([message])
        return True
    return False


def may_be_on_its_way(message: Message, *, sending: bool) -> bool:
    """Tell whether a message may be a bubble whose id is known only when its sending is over.

    Args:
        message: As it arrived.
        sending: Whether a bubble of its chat is being sent right now.
    """
    return sending and message.origin is not Origin.CONTACT


def list_unconfirmed(store: Store) -> list[tuple[int, str]]:
    """Return bubbles, as (chat id, text), that an earlier run tried and whose delivery is not known."""
    return [(item.chat_id, item.text) for item in store.replies.pending() if item.attempts]
