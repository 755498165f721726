"""Which message each bubble answers by a quote."""

from __future__ import annotations

from collections.abc import Sequence

from userbot.domain.messages import Chat, ChatKind, Message


def pick_quotes(chat: Chat, burst: Sequence[Message], bubbles: int) -> list[int | None]:
    """Choose the message that each bubble answers; None for no quote.

    In a group the first bubble answers the newest message, so that others see who is meant. In a private chat people
    quote when several things were asked: as many bubbles as questions answer one each, in order.

    Args:
        chat: Where.
        burst: What is answered, oldest first.
        bubbles: Number of bubbles of the reply.

    Returns:
        Message ids, one for each bubble.
    """
    quotes: list[int | None] = [None] * bubbles
    if chat.kind is ChatKind.GROUP:
        quotes[:1] = [burst[-1].id]
        return quotes
    questions = [message.id for message in burst if message.text.rstrip().endswith("?")]
    if len(questions) > 1 and len(questions) == bubbles:
        return list(questions)
    return quotes
