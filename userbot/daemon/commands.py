"""The owner's commands: `/clone …` in Saved Messages, and the same verbs on the command line."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from userbot.daemon.status import read_status
from userbot.domain.errors import ChatNotFoundError, CloneError, ConfigError
from userbot.domain.messages import Chat, Message, Mode
from userbot.reply.situation import write_pause
from userbot.store import Store
from userbot.store.adapters import AdapterShelf
from userbot.store.replies import Decision, OutboxState, ReplyState
from userbot.store.thread import StoreThread

PREFIX = "/clone"
HELP = """status — what the daemon does
pause [2h] [chat] — answer nothing for a while; without a time, until you resume
resume [chat] — end the pause
allow chat — answer a chat
draft chat — write drafts there, send nothing
off chat — leave a chat alone
why [chat] — how the last answer came about; or send it in reply to a forwarded answer
pull chat — fetch the history of a chat
undo [chat] — delete the last answer for both sides
retrain — train a new adapter
retrain stop — stop the training; the adapter in service stays
adapters — list adapters
rollback — go back to the adapter before
help — this list"""

_SPAN = re.compile(r"(\d+(?:\.\d+)?)(m|min|h|d)")
_SECONDS = {"m": 60, "min": 60, "h": 3600, "d": 86400}
_FOREVER = timedelta(days=36500)


class Daemon(Protocol):
    """What commands ask of the running daemon."""

    async def review(self) -> None:
        """Judge anew what waits for an answer."""
        ...

    async def drop(self, chat_id: int, *, reason: str) -> None:
        """Stop what is under way in a chat."""
        ...

    async def delete(self, chat: Chat, message_ids: list[int]) -> None:
        """Delete messages for both sides."""
        ...

    async def find_dialog(self, text: str) -> Chat | None:
        """Look for a chat among the account's own, and store it; None where none fits, or several do."""
        ...

    async def retrain(self) -> str:
        """Begin to train; return what to tell the owner."""
        ...

    async def cancel_training(self) -> str:
        """Stop the training that is under way; return what to tell the owner."""
        ...

    async def pull(self, chats: Sequence[Chat]) -> str:
        """Begin to fetch the history of chats; return what to tell the owner."""
        ...

    async def activate_adapter(self) -> str | None:
        """Take up the adapter that is now in service; return the one that now writes."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandContext:
    """What commands work on.

    Args:
        store: Chats, decisions, pauses.
        thread: Runs the store's calls.
        shelf: Adapters.
        daemon: The running daemon; None where there is none, so that some verbs refuse.
        quoted: Decision that the command answers to, where it quotes a forwarded reply.
    """

    store: Store
    thread: StoreThread
    shelf: AdapterShelf
    daemon: Daemon | None = None
    quoted: Decision | None = None


def parse_command(message: Message) -> tuple[str, str] | None:
    """Return the verb and argument of a message in Saved Messages; None where it is no command of the owner's own.

    Whoever keeps somebody else's message by forwarding it there gives no order with it.
    """
    if message.forwarded or message.via_bot:
        return None
    words = message.text.split(maxsplit=2)
    if not words or words[0].casefold() != PREFIX:
        return None
    return (words[1].casefold() if len(words) > 1 else "help"), (words[2].strip() if len(words) > 2 else "")


async def execute(verb: str, argument: str, context: CommandContext) -> str:
    """Carry out a command and return what to tell the owner.

    Args:
        verb: See `HELP`.
        argument: What stands after it.
        context: What to work on.

    Raises:
        CloneError: It can't be carried out; the text is for the owner.
    """
    action = _VERBS.get(verb)
    if action is None:
        raise ConfigError(f"There is no command {verb!r}.\n\n{HELP}")
    return await action(argument, context)


async def answer(verb: str, argument: str, context: CommandContext) -> str:
    """Carry out a command and return what to tell the owner; a mistake is told the same way."""
    try:
        return await execute(verb, argument, context)
    except CloneError as exc:
        return str(exc)


async def _show_status(_argument: str, context: CommandContext) -> str:
    status = await context.thread.run(read_status, context.store, context.shelf)
    return status.to_text()


async def _pause(argument: str, context: CommandContext) -> str:
    words = argument.split(maxsplit=1)
    span = _parse_span(words[0]) if words else None
    rest = argument if span is None else (words[1] if len(words) > 1 else "")
    now = context.store.clock()
    until = now + (span or _FOREVER)
    told = "until you resume" if span is None else f"until {_tell_time(until)}"
    if not rest:
        await context.thread.run(write_pause, context.store, until)
        for chat in await context.thread.run(context.store.chats.allowed):
            await _drop(context, chat, "paused by the owner")
        return f"Paused {told}: nothing is answered."
    chat = await context.thread.run(context.store.chats.find, rest)
    await context.thread.run(context.store.chats.pause, chat.id, until)
    await _drop(context, chat, "paused by the owner")
    return f"{chat.title} is paused {told}."


async def _resume(argument: str, context: CommandContext) -> str:
    if argument:
        chat = await context.thread.run(context.store.chats.find, argument)
        await context.thread.run(context.store.chats.pause, chat.id, None)
        told = f"{chat.title} is answered again, if it is allowed."
    else:
        await context.thread.run(write_pause, context.store, None)
        told = "The pause is over. Chats that you took over yourself stay paused: `resume chat`."
    if context.daemon is not None:
        await context.daemon.review()
    return told


def _set_mode(mode: Mode, told: str) -> _Action:
    async def act(argument: str, context: CommandContext) -> str:
        if not argument:
            return f"Name a chat: its @username, title or id, as in `{PREFIX} {_VERB_OF[mode]} @vera`."
        chat = await _find(argument, context)
        await context.thread.run(context.store.chats.set_mode, chat.id, mode)
        if mode is Mode.OFF:
            await _drop(context, chat, "switched off by the owner")
        elif context.daemon is not None:
            await context.daemon.review()
        return f"{chat.title} {told}"

    return act


async def _find(argument: str, context: CommandContext) -> Chat:
    try:
        return await context.thread.run(context.store.chats.find, argument, whole=True)
    except ChatNotFoundError:
        found = await context.daemon.find_dialog(argument) if context.daemon is not None else None
        if found is None:
            raise
        return found


async def _explain(argument: str, context: CommandContext) -> str:
    decision = context.quoted or await _newest(argument, context)
    if decision is None:
        return "There is no answer yet."
    chat = await context.thread.run(context.store.chats.get, decision.chat_id)
    parts = await context.thread.run(context.store.replies.parts, decision.id)
    timings = ", ".join(f"{name} {value:g}" for name, value in (decision.timings or {}).items())
    lines = [
        f"Chat: {chat.title if chat else decision.chat_id}",
        f"State: {decision.state}" + (f" ({decision.reason})" if decision.reason else ""),
        f"Answers message: {decision.trigger_id}",
        f"Model saw messages: {', '.join(map(str, decision.context_ids)) or 'none'}",
        f"Adapter: {decision.adapter_id or 'none, the bare base model'}",
        f"Timings: {timings or 'none'}",
        f"Guard: {_tell_guard(decision)}",
        f"Bubbles: {sum(part.state is OutboxState.SENT for part in parts)} of {len(parts)} sent",
    ]
    return "\n".join(lines)


def _tell_guard(decision: Decision) -> str:
    if decision.reason and decision.reason.startswith("not fit to send"):
        return decision.reason
    tries = int((decision.timings or {}).get("tries", 0))
    if not tries:
        return "not asked"
    return "passed at the first try" if tries == 1 else f"passed at try {tries}"


async def _undo(argument: str, context: CommandContext) -> str:
    if context.daemon is None:
        raise ConfigError("Only the running daemon can delete messages. Start it with `clone run`.")
    decision = context.quoted or await _newest(argument, context, states=(ReplyState.SENT, ReplyState.QUEUED))
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
    return f"{len(ids)} messages deleted in {chat.title if chat else decision.chat_id}."


async def _pull(argument: str, context: CommandContext) -> str:
    names = [name for name in argument.splitlines() if name.strip()]
    if not names:
        raise ConfigError(f"Name a chat: its @username, title or id, as in `{PREFIX} pull @vera`.")
    if context.daemon is None:
        raise ConfigError("The daemon does not run. Fetch with `clone pull CHAT`.")
    return await context.daemon.pull([await _find(name, context) for name in names])


async def _retrain(argument: str, context: CommandContext) -> str:
    if context.daemon is None:
        raise ConfigError("The daemon does not run. Train with `clone train`.")
    return await (context.daemon.cancel_training() if argument == "stop" else context.daemon.retrain())


async def _list_adapters(_argument: str, context: CommandContext) -> str:
    current, known = await context.thread.run(context.shelf.active), await context.thread.run(context.shelf.all)
    if not known:
        return "There is no adapter yet. Train one: `clone train`."
    return "\n".join(f"{'→' if current and one.id == current.id else '·'} {one.id}  {one.base}" for one in known[-10:])


async def _roll_back(_argument: str, context: CommandContext) -> str:
    manifest = await context.thread.run(context.shelf.roll_back)
    if context.daemon is not None and await context.daemon.activate_adapter() != manifest.id:
        return f"Adapter {manifest.id} is in service again, but could not be loaded; the daemon's log says why."
    return f"Back to adapter {manifest.id}."


async def _help(_argument: str, _context: CommandContext) -> str:
    return HELP


async def _newest(
    argument: str, context: CommandContext, *, states: tuple[ReplyState, ...] = tuple(ReplyState)
) -> Decision | None:
    chat_id = (await context.thread.run(context.store.chats.find, argument)).id if argument else None
    newest = await context.thread.run(context.store.replies.newest, chat_id, limit=50)
    return next((decision for decision in newest if decision.state in states), None)


async def _drop(context: CommandContext, chat: Chat, reason: str) -> None:
    if context.daemon is not None:
        await context.daemon.drop(chat.id, reason=reason)
        return
    for item in await context.thread.run(context.store.replies.pending, chat.id):
        await context.thread.run(context.store.replies.cancel, item.reply_id, reason=reason)


def _parse_span(text: str) -> timedelta | None:
    parts = _SPAN.findall(text.casefold())
    if not parts or "".join(number + unit for number, unit in parts) != text.casefold():
        return None
    seconds = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return timedelta(seconds=min(seconds, _FOREVER.total_seconds()))


def _tell_time(at: datetime) -> str:
    return f"{at.astimezone():%d %b %H:%M}"


_Action = Callable[[str, CommandContext], Awaitable[str]]
_VERB_OF = {Mode.AUTO: "allow", Mode.DRAFT: "draft", Mode.OFF: "off"}
_VERBS: dict[str, _Action] = {
    "status": _show_status,
    "pause": _pause,
    "resume": _resume,
    "allow": _set_mode(Mode.AUTO, "is answered from now on."),
    "draft": _set_mode(Mode.DRAFT, "gets drafts from now on; you send them."),
    "off": _set_mode(Mode.OFF, "is left alone from now on."),
    "why": _explain,
    "undo": _undo,
    "pull": _pull,
    "retrain": _retrain,
    "adapters": _list_adapters,
    "rollback": _roll_back,
    "help": _help,
}
