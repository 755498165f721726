"""Commands on answers: how one came about, and taking one back."""

from __future__ import annotations

from userbot.daemon.command_context import CommandContext
from userbot.domain.errors import ConfigError
from userbot.domain.plural import format_count
from userbot.store.decisions import Decision, OutboxState, ReplyState

SEARCHED = 50
"""Newest decisions among which an answer to take back is looked for."""


async def explain(argument: str, context: CommandContext) -> str:
    """Describe how the last answer, of all chats or the named one, came about; or the quoted answer.

    Raises:
        ChatNotFoundError: No chat matches, or several do.
    """
    decision = context.quoted or await _find_newest(argument, context)
    if decision is None:
        return "There is no answer yet."
    chat = await context.thread.run(context.store.chats.get, decision.chat_id)
    parts = await context.thread.run(context.store.replies.parts, decision.id)
    timings = ", ".join(f"{name} {value:g}" for name, value in (decision.timings or {}).items())
    lines = [
        f"Chat: {await context.describe(chat) if chat else decision.chat_id}",
        f"State: {decision.state}" + (f" ({decision.reason})" if decision.reason else ""),
        f"Answers message: {decision.trigger_id}",
        f"Model saw messages: {', '.join(map(str, decision.context_ids)) or 'none'}",
        f"Adapter: {decision.adapter_id or 'none, the bare base model'}",
        f"Timings: {timings or 'none'}",
        f"Guard: {_describe_guard(decision)}",
        f"Bubbles: {sum(part.state is OutboxState.SENT for part in parts)} of {len(parts)} sent",
    ]
    return "\n".join(lines)


async def undo(argument: str, context: CommandContext) -> str:
    """Delete the last answer, of all chats or the named one, for both sides; or the quoted answer.

    Raises:
        ConfigError: No daemon runs.
        ChatNotFoundError: No chat matches, or several do.
    """
    if context.daemon is None:
        raise ConfigError("Only the running daemon can delete messages. Start it with `clone run`.")
    undoable = (ReplyState.SENT, ReplyState.QUEUED)
    decision = context.quoted or await _find_newest(argument, context, states=undoable)
    if decision is None:
        return "There is no answer to take back."
    await context.daemon.drop(decision.chat_id, reason="taken back by the owner")
    chat = await context.thread.run(context.store.chats.get, decision.chat_id)
    parts = await context.thread.run(context.store.replies.parts, decision.id)
    ids = [part.message_id for part in parts if part.message_id is not None]
    if chat is not None and ids:
        await context.daemon.delete(chat, ids)
        await context.thread.run(context.store.messages.mark_deleted, chat.id, ids)
    await context.thread.run(context.store.replies.set_state, decision.id, ReplyState.UNDONE, reason="by the owner")
    return (
        f"{format_count(len(ids), 'message')} deleted in {await context.describe(chat) if chat else decision.chat_id}."
    )


def _describe_guard(decision: Decision) -> str:
    if decision.reason and decision.reason.startswith("not fit to send"):
        return decision.reason
    if decision.state is ReplyState.WITHHELD:
        return f"withheld, as it held {(decision.reason or '').removeprefix('private: ')}; see it: clone held"
    tries = int((decision.timings or {}).get("tries", 0))
    if not tries:
        return "not asked"
    return "passed at the first try" if tries == 1 else f"passed at try {tries}"


async def _find_newest(
    name: str, context: CommandContext, *, states: tuple[ReplyState, ...] = tuple(ReplyState)
) -> Decision | None:
    chat_id = (await context.find_chat(name)).id if name else None
    newest = await context.thread.run(context.store.replies.newest, chat_id, limit=SEARCHED)
    return next((decision for decision in newest if decision.state in states), None)
