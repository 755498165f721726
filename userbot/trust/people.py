"""People in the store: the contact of a private chat, and the members of groups, found by id or name."""

from __future__ import annotations

from dataclasses import dataclass

from userbot.domain.errors import ChatNotFoundError
from userbot.domain.messages import Chat, Message, Origin
from userbot.domain.names import name_key, read_id
from userbot.store import Store
from userbot.store.members import member_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Somebody who writes in a chat.

    Args:
        id: As `userbot.store.members.member_id` names them.
        name: The name that they were seen with last.
    """

    id: int
    name: str

    def wrote(self, message: Message) -> bool:
        """Tell whether a message is theirs."""
        is_by_contact = message.origin is Origin.CONTACT
        return is_by_contact and member_id(message.sender_id, message.sender_name) == self.id


def list_people(store: Store, chat: Chat) -> list[Person]:
    """Return everybody but the owner who wrote in a chat, in the order of their first message."""
    found: dict[int, Person] = {}
    for message in store.messages.history(chat.id):
        if message.origin is Origin.CONTACT and (message.sender_id is not None or message.sender_name):
            number = member_id(message.sender_id, message.sender_name)
            known = found.get(number)
            found[number] = Person(id=number, name=message.sender_name or (known.name if known else str(number)))
    return list(found.values())


def find_person(store: Store, chat: Chat, name: str) -> Person:
    """Return the member of a group that is meant.

    Args:
        store: Knows who wrote there.
        chat: The group.
        name: An id, or the whole name.

    Raises:
        ChatNotFoundError: Nobody there is meant, or more than one could be; the text lists them.
    """
    people = list_people(store, chat)
    number = read_id(name)
    fit = [one for one in people if one.id == number or (number is None and name_key(one.name) == name_key(name))]
    if len(fit) == 1:
        return fit[0]
    listed = "; ".join(f"{one.name} (id {one.id})" for one in (fit or people)[:8]) or "nobody"
    problem = f"{len(fit)} people there fit {name!r}" if fit else f"Nobody there fits {name!r}"
    raise ChatNotFoundError(f"{problem}: {listed}. Give the id.")
