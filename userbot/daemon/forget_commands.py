"""Forgetting from Saved Messages, and the part of it that only the running daemon can do."""

from __future__ import annotations

import asyncio

from userbot.daemon.command_context import PREFIX, CommandContext
from userbot.domain.errors import ConfigError
from userbot.domain.plural import format_count
from userbot.trust.forget import Forgotten, forget


async def release_chat(argument: str, context: CommandContext) -> str:
    """Let the daemon go of a chat that another process is about to forget.

    Raises:
        ChatNotFoundError: No chat is meant.
    """
    chat = await context.find_chat(argument)
    if context.daemon is not None:
        await context.daemon.release(chat)
    return str(chat.id)


async def clear_drafts(_argument: str, context: CommandContext) -> str:
    """Clear the drafts of forgotten chats that are still at Telegram."""
    if context.daemon is not None:
        await context.daemon.clear_drafts()
    return ""


async def forget_chat(argument: str, context: CommandContext) -> str:
    """Forget a chat; return what was deleted. The chat is named by its id alone, as its name is forgotten too.

    Raises:
        ConfigError: No chat is named.
        ChatNotFoundError: No chat is meant, or more than one could be.
    """
    if not argument:
        raise ConfigError(f"Name a chat: its @username, title or id, as in `{PREFIX} forget @vera`.")
    chat = await context.find_chat(argument)
    if context.daemon is not None:
        await context.daemon.release(chat)
    else:
        await context.drop_answer(chat, reason="the chat is forgotten")
    # Not in the store's thread: writing a large database afresh takes seconds, and other chats go on meanwhile.
    done = await asyncio.to_thread(forget, context.store, context.paths, chat)
    return describe_forgotten(chat.id, done)


def describe_forgotten(chat_id: int, done: Forgotten) -> str:
    """Say for the owner what was deleted, without a name."""
    what = [format_count(done.messages, "message")]
    for count, name in (
        (done.reports, "report"),
        (done.exports, "exported file"),
        (done.dropped, "backup that could not be rewritten"),
    ):
        if count:
            what.append(format_count(count, name))
    lines = [f"Chat {chat_id} is forgotten: {', '.join(what)} deleted."]
    if done.rewritten:
        lines.append(f"{format_count(done.rewritten, 'backup')} rewritten without it.")
    if done.learned:
        lines.append(
            f"Adapters that learned from it: {', '.join(done.learned)}. They hold no text, but can repeat what they "
            f"learned: train again, then delete each with `clone adapters rm ID`."
        )
    if done.busy:
        lines.append("A training that uses it is ending; its samples are deleted with the next command or start.")
    if done.draft:
        lines.append("A draft of the clone is still there at Telegram; the daemon clears it when it runs.")
    lines += [
        f"{path} was exported with it, and something else lies there now: look yourself." for path in done.foreign
    ]
    for path in done.elsewhere:
        lines.append(f"{path} holds words of it too, and is not the program's: delete it yourself if you want.")
    lines.append(f"No import, pull or backup brings it back, unless you say: clone forget --undo {chat_id}")
    return "\n".join(lines)
