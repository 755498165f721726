"""Stale adapters: those that learned from a chat whose consent does not stand any more. None is activated again."""

from __future__ import annotations

from dataclasses import dataclass

from userbot.domain.errors import AdapterError, NoAdapterError, StaleAdapterError
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.adapters import AdapterShelf, Manifest


@dataclass(frozen=True, slots=True)
class StaleAdapter:
    """An adapter that must not be used any more.

    Args:
        id: Its id.
        chat_ids: Chats that it learned from without a consent that stands, ascending.
        active: It is the one that writes.
    """

    id: str
    chat_ids: tuple[int, ...]
    active: bool


def find_stale_adapters(store: Store, shelf: AdapterShelf) -> list[StaleAdapter]:
    """Return the adapters that learned from chats without a consent that stands, oldest first.

    Args:
        store: Holds the ledger of consents.
        shelf: The adapters; their manifests name the chats.
    """
    active = shelf.active()
    active_id = active.id if active else None
    found = [(one.id, store.consents.find_withdrawn(one.data)) for one in shelf.all()]
    return [StaleAdapter(id_, tuple(chat_ids), id_ == active_id) for id_, chat_ids in found if chat_ids]


def refuse_stale(store: Store, manifest: Manifest) -> None:
    """Make sure that an adapter may be used.

    Raises:
        StaleAdapterError: It learned from a chat whose consent does not stand any more.
    """
    chat_ids = store.consents.find_withdrawn(manifest.data)
    if chat_ids:
        raise StaleAdapterError(
            f"The adapter {manifest.id} learned from {format_count(len(chat_ids), 'chat')} without a consent that "
            f"stands ({', '.join(map(str, chat_ids))}), so it is not used. Train one without: clone train. Then delete "
            f"it: clone adapters rm {manifest.id}"
        )


def activate_adapter(store: Store, shelf: AdapterShelf, adapter_id: str) -> Manifest:
    """Activate an adapter that is not stale, and return its manifest.

    Raises:
        StaleAdapterError: It is stale.
        AdapterError: There is none of that id, or it is damaged.
    """
    refuse_stale(store, shelf.get(adapter_id))
    return shelf.activate(adapter_id)


def roll_back(store: Store, shelf: AdapterShelf) -> Manifest:
    """Activate the newest adapter that was active before and is not stale, and return its manifest.

    Raises:
        StaleAdapterError: All of them are stale.
        NoAdapterError: There is no earlier one.
    """
    previous = [shelf.get(adapter_id) for adapter_id in shelf.list_previous()]
    for manifest in reversed(previous):
        if not store.consents.find_withdrawn(manifest.data):
            return shelf.roll_back(to=manifest.id)
    if previous:
        refuse_stale(store, previous[-1])
    raise NoAdapterError("There is no earlier adapter to go back to. `clone adapters list` shows what there is.")


def stop_stale(store: Store, shelf: AdapterShelf) -> str | None:
    """Stop the active adapter at once if it is stale.

    The newest adapter that was active before and is not stale takes its place. Where there is none, no adapter is
    active and the daemon holds all answers, rather than writing with the bare base, until one is trained.

    Returns:
        What was done, for the owner; None where the active adapter is not stale.
    """
    active = shelf.active()
    if active is None or not store.consents.find_withdrawn(active.data):
        return None
    try:
        replacement = roll_back(store, shelf)
    except (NoAdapterError, StaleAdapterError):
        shelf.stop()
        return f"Adapter {active.id} is stopped. No clean one is left, so all answers are held; train one: clone train"
    return f"Adapter {active.id} is stopped; {replacement.id} is active again."


def describe_stop(adapter_id: str) -> str:
    """Say why nothing is answered once `stop_stale` found no clean adapter."""
    return f"adapter {adapter_id} was stopped, as a consent was withdrawn, and no clean one is left; clone train"


def find_stop(shelf: AdapterShelf) -> str | None:
    """Return why nothing may be answered, where `stop_stale` found no clean adapter; None otherwise."""
    try:
        stopped = shelf.stopped()
    except AdapterError:
        return None  # whoever loads the active adapter reports it
    return None if stopped is None else describe_stop(stopped)
