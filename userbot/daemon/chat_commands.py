"""Commands on chats: who is answered, pauses, and fetching history."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from userbot.daemon.command_context import PREFIX, CommandContext
from userbot.daemon.pauses import UNLIMITED, format_pause, parse_span
from userbot.domain.errors import ConfigError
from userbot.domain.messages import Mode, prompt_name
from userbot.domain.names import clean_name
from userbot.reply.situation import write_pause

_VERBS = {Mode.AUTO: "allow", Mode.DRAFT: "draft", Mode.OFF: "off"}
_EFFECTS = {
    Mode.AUTO: "is answered from now on.",
    Mode.DRAFT: "gets drafts from now on; you send them.",
    Mode.OFF: "is left alone from now on.",
}


def set_mode(mode: Mode) -> Callable[[str, CommandContext], Awaitable[str]]:
    """Return the command that gives a chat this mode."""

    async def run(argument: str, context: CommandContext) -> str:
        if not argument:
            return f"Name a chat: its @username, title or id, as in `{PREFIX} {_VERBS[mode]} @vera`."
        chat = await context.find_chat(argument)
        await context.thread.run(context.store.chats.set_mode, chat.id, mode)
        if mode is Mode.OFF:
            await context.drop_answer(chat, reason="switched off by the owner")
        else:
            await context.review()
        return f"{await context.describe(chat)} {_EFFECTS[mode]}"

    return run


async def show_chat(argument: str, context: CommandContext) -> str:
    """Show which chat a name means, and how prompts call it.

    Raises:
        ConfigError: No chat is named.
        ChatNotFoundError: No chat is meant, or more than one could be.
    """
    if not argument:
        raise ConfigError(f"Name a chat: its @username, title or id, as in `{PREFIX} who @vera`.")
    chat = await context.find_chat(argument)
    lines = [f"{await context.describe(chat)} is {chat.mode}."]
    name = prompt_name(chat)
    if name != clean_name(chat.title):
        lines.append(f"Prompts call it {name!r}; `{PREFIX} rename {chat.id}` takes over what it is called now.")
    return "\n".join(lines)


async def resolve_chat(argument: str, context: CommandContext) -> str:
    """Return the id of the chat that a name means, for the command line, which asks the owner before the order.

    Raises:
        ChatNotFoundError: No chat is meant, or more than one could be.
    """
    return str((await context.find_chat(argument)).id)


async def rename(argument: str, context: CommandContext) -> str:
    """Let prompts call a chat what it is called now; adapters trained before keep the name that they learned.

    A second line, where there is one, is the title that the owner has agreed to.

    Raises:
        ConfigError: No chat is named, or it is called something else by now.
        ChatNotFoundError: No chat is meant, or more than one could be.
    """
    named, _, agreed = argument.partition("\n")
    if not named:
        raise ConfigError(f"Name a chat: its @username, title or id, as in `{PREFIX} rename @vera`.")
    chat = await context.find_chat(named)
    if agreed and agreed != chat.title:
        raise ConfigError(f"It is called something else by now: {await context.describe(chat)}. Give the order again.")
    name = await context.thread.run(context.store.chats.accept_name, chat.id)
    return f"Prompts of {await context.describe(chat)} say {name!r} from the next training on."


async def pause(argument: str, context: CommandContext) -> str:
    """Answer nothing for a while, in all chats or in one: `[span] [chat]`.

    Raises:
        ChatNotFoundError: No chat matches, or several do.
    """
    words = argument.split(maxsplit=1)
    span = parse_span(words[0]) if words else None
    name = argument if span is None else "".join(words[1:])
    now = context.store.clock()
    until = now + (span or UNLIMITED)
    if not name:
        await context.thread.run(write_pause, context.store, until)
        for chat in await context.thread.run(context.store.chats.allowed):
            await context.drop_answer(chat, reason="paused by the owner")
        return f"Paused {format_pause(until, now)}: nothing is answered."
    chat = await context.find_chat(name)
    await context.thread.run(context.store.chats.pause, chat.id, until)
    await context.drop_answer(chat, reason="paused by the owner")
    return f"{await context.describe(chat)} is paused {format_pause(until, now)}."


async def resume(argument: str, context: CommandContext) -> str:
    """End the pause of all chats, or of the named one.

    Raises:
        ChatNotFoundError: No chat matches, or several do.
    """
    if argument:
        chat = await context.find_chat(argument)
        await context.thread.run(context.store.chats.pause, chat.id, None)
        text = f"{await context.describe(chat)} is answered again, if it is allowed."
    else:
        await context.thread.run(write_pause, context.store, None)
        text = (
            "The pause of all chats is over. A chat that is paused by itself, by you or because you wrote there, "
            "stays so until `resume CHAT`."
        )
    await context.review()
    return text


async def pull(argument: str, context: CommandContext) -> str:
    """Fetch the history of chats, one name a line.

    Raises:
        ConfigError: No chat is named, no daemon runs, or a pull is in progress.
        ChatNotFoundError: No chat matches, or several do.
    """
    names = [name for name in argument.splitlines() if name.strip()]
    if not names:
        raise ConfigError(f"Name a chat: its @username, title or id, as in `{PREFIX} pull @vera`.")
    if context.daemon is None:
        raise ConfigError("The daemon does not run. Fetch with `clone pull CHAT`.")
    return await context.daemon.pull([await context.find_chat(name) for name in names])
