"""The owner's commands: `/clone …` in Saved Messages, and the same verbs on the command line."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from userbot.daemon.adapter_commands import list_adapters, retrain, roll_back
from userbot.daemon.chat_commands import pause, pull, rename, resolve_chat, resume, set_mode, show_chat
from userbot.daemon.command_context import PREFIX, CommandContext
from userbot.daemon.confirmation import Prepare, order_on_chat
from userbot.daemon.forget_commands import clear_drafts, forget_chat, release_chat
from userbot.daemon.reply_commands import explain, undo
from userbot.daemon.status import read_status
from userbot.domain.errors import CloneError, ConfigError
from userbot.domain.messages import Message, Mode

HELP = """status — what the daemon does
pause [2h] [chat] — answer nothing for a while; without a time, until you resume
resume [chat] — end the pause
who chat — show which chat a name means
allow chat — answer a chat; asks for a yes
draft chat — write drafts there, send nothing; asks for a yes
off chat — leave a chat alone
rename chat — let prompts call a chat what it is called now; asks for a yes
forget chat — delete everything that is known of a chat, for good; asks for a yes
yes, no — confirm or drop the order that was asked about
why [chat] — how the last answer came about; or send it in reply to a forwarded answer
pull chat — fetch the history of a chat
undo [chat] — delete the last answer for both sides
retrain — train a new adapter
retrain stop — stop the training; the active adapter stays
adapters — list adapters
rollback — activate the adapter before this one
help — this list"""


def parse_command(message: Message) -> tuple[str, str] | None:
    """Return the verb and argument of a message in Saved Messages; None where it is no command of the owner's own.

    Somebody else's message that is forwarded there, to keep it, is no command, nor are a caption and an edited text.
    """
    if message.forwarded or message.via_bot or message.media is not None or message.edited_at is not None:
        return None
    words = message.text.split(maxsplit=2)
    if not words or words[0].casefold() != PREFIX:
        return None
    return (words[1].casefold() if len(words) > 1 else "help"), (words[2].strip() if len(words) > 2 else "")


async def run_command(verb: str, argument: str, context: CommandContext) -> str:
    """Carry out a command and return what to tell the owner.

    Args:
        verb: See `HELP`.
        argument: What stands after it.
        context: What to work on.

    Raises:
        CloneError: It can't be carried out; the text is for the owner.
    """
    run = _COMMANDS.get(verb)
    if run is None:
        raise ConfigError(f"There is no command {verb!r}.\n\n{HELP}")
    return await run(argument, context)


async def answer_command(verb: str, argument: str, context: CommandContext) -> str:
    """Carry out a command and return what to tell the owner, which may be why it can't be carried out."""
    try:
        return await run_command(verb, argument, context)
    except CloneError as exc:
        return str(exc)


async def _show_status(_argument: str, context: CommandContext) -> str:
    status = await context.thread.run(read_status, context.store, context.shelf)
    return status.to_text()


async def _show_help(_argument: str, _context: CommandContext) -> str:
    return HELP


_COMMANDS: dict[str, Callable[[str, CommandContext], Awaitable[str]]] = {
    "status": _show_status,
    "pause": pause,
    "resume": resume,
    "who": show_chat,
    "resolve": resolve_chat,
    "rename": rename,
    "allow": set_mode(Mode.AUTO),
    "draft": set_mode(Mode.DRAFT),
    "off": set_mode(Mode.OFF),
    "forget": forget_chat,
    "release": release_chat,
    "clear drafts": clear_drafts,
    "why": explain,
    "undo": undo,
    "pull": pull,
    "retrain": retrain,
    "adapters": list_adapters,
    "rollback": roll_back,
    "help": _show_help,
}

CONFIRMED: dict[str, Prepare] = {
    "allow": order_on_chat("allow", "answer {chat} automatically"),
    "draft": order_on_chat("draft", "write drafts for {chat}"),
    "forget": order_on_chat("forget", "delete for good everything that is known of {chat}"),
    "rename": order_on_chat("rename", "call {chat} in prompts what it is called now"),
}
"""Commands that Saved Messages carries out only after a yes, and how each is prepared."""
