"""Everything that is stored about one contact, in one archive that they can read."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Any

from userbot.config.home import HomePaths
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Chat, Message, Origin
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.facts import EXCLUSIONS
from userbot.store.members import member_id
from userbot.trust.home_copies import find_learned, note_exports
from userbot.trust.people import Person

DATA, NOTE = "about-you.json", "README.txt"
"""Files of the archive."""

_NOTE = """\
What is stored about you / Что о вас хранится
=============================================

{owner} uses a program that learns to write like them from their own chats and may answer messages for them.
This archive holds everything that the program on their computer stores about you. {data} has:

- chats: your chats with them (and groups in which you wrote): title, names, whether the program answers there
- messages: every message, with time and sender; "clone" means that the program wrote it. In groups: yours only
- answers: when the program answered, and from which messages it had read
- consents: what was recorded about your consent to training, and withdrawals
- adapters: names of models that have learned from these chats; they hold no text, but can repeat what they learned

You can ask for all of it to be deleted, and take a consent back, at any time. Written on {date}.

{owner} пользуется программой, которая учится писать, как они, по их собственным чатам и может отвечать за них.
В этом архиве всё, что программа на их компьютере хранит о вас. В файле {data}:

- chats: ваши чаты (и группы, где вы писали): название, имена, отвечает ли там программа
- messages: все сообщения со временем и отправителем; "clone" значит, что писала программа. В группах — только ваши
- answers: когда программа отвечала и какие сообщения она перед этим прочла
- consents: что записано о вашем согласии на обучение и об отзыве согласия
- adapters: имена обученных моделей, которые учились на этих чатах; текста в них нет, но выученное они могут повторить

Вы можете в любое время попросить всё это удалить и отозвать согласие. Записано {date}.
"""


@dataclass(frozen=True, slots=True)
class Place:
    """One chat in which a contact is known.

    Args:
        chat: The chat.
        person: The contact among its members; None where the whole chat is theirs.
    """

    chat: Chat
    person: Person | None = None

    def concerns(self, message: Message) -> bool:
        """Tell whether a message belongs to the contact's data."""
        return self.person is None or self.person.wrote(message)


def export_contact(store: Store, paths: HomePaths, places: Iterable[Place], target: Path, *, owner: str) -> int:
    """Write the archive; readable by its owner alone (0600), and deleted when one of the chats is forgotten.

    Args:
        store: The live database.
        paths: Of the home folder.
        places: Where the contact is known.
        target: The archive, which must not exist.
        owner: Name of the owner, for the note.

    Returns:
        Number of messages in it.

    Raises:
        ConfigError: It can't be written, or something is there already.
    """
    found = list(places)
    content = collect(store, paths, found)
    note = _NOTE.format(owner=owner, data=DATA, date=f"{store.clock():%Y-%m-%d}")
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as exc:
        raise ConfigError(f"{target} can't be written: {exc.strerror}. Choose another name with --to.") from exc
    note_exports(store, [target], [place.chat.id for place in found])
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(NOTE, note)
        archive.writestr(DATA, json.dumps(content, ensure_ascii=False, indent=1, default=_write))
    return len(content["messages"])


def collect(store: Store, paths: HomePaths, places: Iterable[Place]) -> dict[str, Any]:
    """Return what is stored, as plain values.

    Answers that were withheld are counted and not quoted: they hold what others told.

    Args:
        store: The live database.
        paths: Of the home folder.
        places: Where the contact is known.
    """
    found = list(places)
    ids = [place.chat.id for place in found]
    messages = [
        _message(message)
        for place in found
        for message in store.messages.history(place.chat.id)
        if place.concerns(message)
    ]
    known = {(message["chat_id"], message["id"]) for message in messages}
    return {
        "written_at": store.clock(),
        "chats": [_describe(place) for place in found],
        "messages": messages,
        "answers": [
            {
                "chat_id": decision.chat_id,
                "to_message": decision.trigger_id,
                "at": decision.created_at,
                "state": decision.state,
                "reason": decision.reason,
                "adapter": decision.adapter_id,
                "read_messages": decision.context_ids,
            }
            for place in found
            for decision in store.replies.newest(place.chat.id, limit=-1)
            if place.person is None or (decision.chat_id, decision.trigger_id) in known
        ],
        "answers_withheld": {
            str(place.chat.id): len(store.withheld.newest(place.chat.id, limit=-1))
            for place in found
            if place.person is None
        },
        "consents": [asdict(record) for place in found for record in _list_consents(store, place)],
        "kept_out_of_training": [asdict(one) for one in store.facts.get(EXCLUSIONS) or () if one.chat_id in ids],
        "adapters": find_learned(AdapterShelf(paths.adapters), ids),
    }


def _describe(place: Place) -> dict[str, Any]:
    values = asdict(place.chat)
    if place.person is not None:  # the rest is about others too
        return {"id": place.chat.id, "title": place.chat.title, "you": asdict(place.person)}
    return {name: value for name, value in values.items() if name not in ("access_hash", "handled_id")}


def _message(message: Message) -> dict[str, Any]:
    values = {name: value for name, value in asdict(message).items() if value not in (None, False)}
    writer = {Origin.CONTACT: "you", Origin.OWNER: "owner", Origin.CLONE: "clone"}[message.origin]
    if message.origin is Origin.CONTACT and message.sender_name:
        writer = message.sender_name
    return {**values, "origin": writer}


def _list_consents(store: Store, place: Place) -> list[Any]:
    records = store.consents.history(place.chat.id)
    if place.person is None:
        return records
    return [one for one in records if one.members is None or place.person.id in one.members]


def find_places(store: Store, person: int) -> list[Place]:
    """Return all chats in which a person is known by their Telegram id: their own, and groups in which they wrote."""
    places = []
    for chat in store.chats.all():
        if chat.id == person:
            places.append(Place(chat))
            continue
        theirs = [
            one
            for one in store.messages.history(chat.id)
            if one.origin is Origin.CONTACT and member_id(one.sender_id, one.sender_name) == person
        ]
        if theirs:
            places.append(Place(chat, Person(id=person, name=theirs[-1].sender_name or str(person))))
    return places


def _write(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    raise TypeError(f"{type(value).__name__} has no form in JSON")
