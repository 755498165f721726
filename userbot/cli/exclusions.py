"""Commands that keep parts of the chats out of training, and take them in again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from userbot.cli.screen import console, session_of
from userbot.cli.whom import find_chat
from userbot.domain.errors import ConfigError
from userbot.domain.exclusions import Exclusion
from userbot.domain.plural import format_count
from userbot.store import Store
from userbot.store.facts import EXCLUSIONS

_DAY = ["%Y-%m-%d"]


def register(dataset: typer.Typer) -> None:
    """Add the commands to `clone dataset`."""
    dataset.command("exclude")(exclude)
    dataset.command("excluded")(list_excluded)
    dataset.command("include")(include)


def exclude(
    context: typer.Context,
    chat: Annotated[str | None, typer.Option(help="This chat; alone: all of it.")] = None,
    person: Annotated[str | None, typer.Option(help="What this person writes in groups: name or id.")] = None,
    since: Annotated[datetime | None, typer.Option("--from", formats=_DAY, help="From this day on.")] = None,
    until: Annotated[datetime | None, typer.Option("--to", formats=_DAY, help="Up to this day, inclusive.")] = None,
    word: Annotated[
        str | None, typer.Option(help="Messages with this word or phrase, whatever its ending: hospital, hospitals.")
    ] = None,
    topic: Annotated[int | None, typer.Option(help="This topic of a forum: the id of its first message.")] = None,
) -> None:
    """Keep something out of training and exports. Several options together narrow it: all of them must be true.

    An excluded message is not even context; your turn right after it, and your answer to it, are not learned either.

    [dim]clone dataset exclude --chat Mum[/]
    [dim]clone dataset exclude --person "Ivan P." --chat "Hiking group"[/]
    [dim]clone dataset exclude --from 2023-02-01 --to 2023-03-15[/]
    [dim]clone dataset exclude --word hospital[/]
    """
    session = session_of(context)
    zone = session.settings.zone
    rule = Exclusion(
        chat_id=find_chat(session, chat).id if chat is not None else None,
        person=_read_words("--person", person),
        since=_read_day(since, zone),
        until=None if until is None else _read_day(until + timedelta(days=1), zone),
        word=_read_words("--word", word),
        topic_id=topic,
    )
    _check(rule)
    with session.store() as store:
        rules = store.facts.get(EXCLUSIONS) or ()
        if rule not in rules:
            store.facts.set(EXCLUSIONS, (*rules, rule))
        count = _count(store, rule)
        console.print(f"Kept out of training: {escape(describe(store, rule, zone))}.")
    if count:
        console.print(f"That is {format_count(count, 'message')} of those in the store, and whatever comes later.")
    else:
        console.print(
            "[yellow]No message in the store is meant by that.[/] It holds for later ones. Is it as you meant it?"
        )
    console.print("[dim]Adapters that are trained already have learned from what was there then: train again.[/]")


def list_excluded(context: typer.Context) -> None:
    """List what is kept out of training; `clone dataset include N` takes one in again."""
    session = session_of(context)
    with session.store() as store:
        rules = store.facts.get(EXCLUSIONS) or ()
        if not rules:
            console.print("Nothing is kept out. `clone dataset exclude --help` says how.")
            return
        table = Table("no.", "kept out of training", "messages")
        for number, rule in enumerate(rules, start=1):
            table.add_row(str(number), escape(describe(store, rule, session.settings.zone)), f"{_count(store, rule):,}")
    console.print(table)


def include(
    context: typer.Context,
    numbers: Annotated[list[int], typer.Argument(help="Numbers in `clone dataset excluded`.")],
) -> None:
    """Take something into training again."""
    session = session_of(context)
    with session.store() as store:
        rules = store.facts.get(EXCLUSIONS) or ()
        for number in numbers:
            if not 1 <= number <= len(rules):
                raise ConfigError(f"No exclusion has the number {number}. `clone dataset excluded` shows them.")
        kept = tuple(rule for number, rule in enumerate(rules, start=1) if number not in numbers)
        store.facts.set(EXCLUSIONS, kept or None)
        for number in sorted(set(numbers)):
            console.print(f"Learned from again: {escape(describe(store, rules[number - 1], session.settings.zone))}.")


def describe(store: Store, rule: Exclusion, zone: tzinfo | None) -> str:
    """Say in words what a rule keeps out.

    Args:
        store: Knows the chats' titles.
        rule: The rule.
        zone: Of the days; None for the machine's.
    """
    chat = store.chats.get(rule.chat_id) if rule.chat_id is not None else None
    place = (
        (chat.title if chat is not None else f"the chat {rule.chat_id}") if rule.chat_id is not None else "all chats"
    )
    if rule.is_whole_chat:
        return f"the chat {place} ({rule.chat_id})" if chat is not None else place
    what = [
        f"with the word “{rule.word}”" if rule.word is not None else "",
        f"by {rule.person}" if rule.person is not None else "",
        f"from {rule.since.astimezone(zone):%Y-%m-%d}" if rule.since is not None else "",
        f"up to {(rule.until - timedelta(days=1)).astimezone(zone):%Y-%m-%d}" if rule.until is not None else "",
        f"in the topic {rule.topic_id}" if rule.topic_id is not None else "",
    ]
    return " ".join(["messages", *filter(None, what), "in", place])


def _count(store: Store, rule: Exclusion) -> int:
    chats = [rule.chat_id] if rule.chat_id is not None else [chat.id for chat in store.chats.all()]
    return sum(rule.matches(message) for chat_id in chats for message in store.messages.history(chat_id))


def _check(rule: Exclusion) -> None:
    if rule == Exclusion():
        raise ConfigError(
            "Say what to keep out: --chat, --person, --from, --to, --word or --topic. `clone dataset exclude --help` "
            "has examples."
        )
    if rule.topic_id is not None and rule.chat_id is None:
        raise ConfigError(f"A topic belongs to a chat; say which: --chat CHAT --topic {rule.topic_id}.")
    if rule.since is not None and rule.until is not None and rule.since >= rule.until:
        raise ConfigError("--from is later than --to. Swap them.")


def _read_words(option: str, value: str | None) -> str | None:
    if value is None:
        return None
    if not value.strip():
        raise ConfigError(f"{option} is empty, which would mean everything. Write the word or the name.")
    return " ".join(value.split())


def _read_day(day: datetime | None, zone: tzinfo | None) -> datetime | None:
    if day is None:
        return None
    return (day.replace(tzinfo=zone) if zone is not None else day.astimezone()).astimezone(UTC)
