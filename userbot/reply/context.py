"""The burst, and the prompt that the model is asked to continue."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from userbot.domain.messages import Chat, ChatKind, Message, Origin, fold_turns, split_sessions, system_line
from userbot.domain.prompt_rules import PromptRules
from userbot.generator import Prompt


@dataclass(frozen=True, slots=True)
class Context:
    """A prompt, and the ids of the messages it was made of."""

    prompt: Prompt
    message_ids: tuple[int, ...]


def find_burst(window: Sequence[Message], *, handled_id: int) -> tuple[Message, ...]:
    """Return the contact's messages that wait for an answer, oldest first.

    These are the ones after `handled_id` and after the owner's last own message: whatever the owner has read and
    written under is the owner's affair. The clone's messages close nothing, as a bubble may come between two of them.
    A forum's topics are conversations of their own: the burst is of one topic, the one that waits for longest, so that
    what is decided about it leaves the others waiting.

    Args:
        window: The newest messages of the chat, oldest first.
        handled_id: Newest message that was decided about.

    Returns:
        The burst; empty where nothing waits.
    """
    waiting: dict[int | None, list[Message]] = {}
    for message in window:
        if message.origin is Origin.OWNER:
            waiting.pop(message.topic_id, None)
        elif message.origin is Origin.CONTACT and message.id > handled_id:
            waiting.setdefault(message.topic_id, []).append(message)
    if not waiting:
        return ()
    longest = min(waiting.values(), key=lambda burst: burst[-1].id)
    # A message of invisible characters ends no burst; where there is nothing else, that is what is refused.
    return tuple(message for message in longest if message.content.strip()) or tuple(longest)


def build_context(chat: Chat, window: Sequence[Message], burst: Sequence[Message], *, rules: PromptRules) -> Context:
    """Build the prompt from the running session of a chat, or of a forum's topic; its last turn is the burst.

    Args:
        chat: Says whether names are shown (groups) and who the contact is.
        window: The newest messages of the chat, oldest first.
        burst: What `find_burst` returned for the window; not empty.
        rules: The active adapter's: how long a silence ends a session, and whether the prompt says who the contact is.

    Returns:
        The prompt, with the ids of its messages.
    """
    waiting = {message.id for message in burst}
    # A bubble that came while the clone was still sending stands before the clone's last words; here it comes last.
    ordered = [m for m in window if m.id not in waiting and m.topic_id == burst[-1].topic_id] + list(burst)
    session = list(split_sessions(ordered, gap=rules.session_gap))[-1]
    turns = fold_turns(session, names=chat.kind is ChatKind.GROUP)
    prompt = Prompt(turns=tuple(turns), system=system_line(chat, at=rules.names_at) if rules.system_line else None)
    return Context(prompt, tuple(message.id for message in session))


def is_addressed(burst: Sequence[Message], window: Sequence[Message], *, username: str | None) -> bool:
    """Tell from stored messages whether a group's burst mentions the owner or answers the owner's side.

    Args:
        burst: Messages that wait for an answer.
        window: The newest messages of the chat, oldest first.
        username: The owner's, without `@`; None where they have none.
    """
    own_ids = {message.id for message in window if message.origin is not Origin.CONTACT}
    # Neither a longer name that begins the same nor an e-mail address is the owner's.
    name = re.compile(rf"(?<!\w)@{re.escape(username)}(?!\w)", re.IGNORECASE) if username else None
    return any(m.reply_to_id in own_ids or (name is not None and name.search(m.text) is not None) for m in burst)


def last_own_text(window: Sequence[Message]) -> str | None:
    """Return what the owner's side said last, its bubbles as lines; None where it said nothing."""
    own = [turn for turn in fold_turns(window) if turn.mine]
    return "\n".join(own[-1].bubbles) if own else None
