"""The scripting interface: a test or a demo acts as the people of a loopback Telegram, and looks at their chats."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import parse_qs, urlsplit

from telethon.errors import RPCError
from telethon.tl import types

from userbot.loopback.mtproto.session import Authorization
from userbot.loopback.world.actions import Actions, Outgoing
from userbot.loopback.world.logins import Logins
from userbot.loopback.world.state import CHANNEL_OFFSET, Channel, Group, StoredMessage, Target, User, World, id_of

_FIRST_USER_ID = 100_001
_FIRST_CHAT_NUMBER = 500_001

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A message as one account sees it; `id` is the id that this account's clients get."""

    id: int
    sender: User
    text: str
    date: datetime
    out: bool
    reply_to_id: int | None
    edited: bool


class Stage:
    """Acts as people with an official app, on a device that the server does not show.

    Acting as an account that a connected client is logged into is acting on that account's *other* device: the client
    gets the updates that Telegram would send.

    Args:
        world: The state.
        actions: The verbs that change it.
        logins: Logins in progress.
    """

    def __init__(self, world: World, actions: Actions, *, logins: Logins) -> None:
        self.world = world
        self._actions = actions
        self._logins = logins
        self._change = asyncio.Event()

    # People and chats

    def add_user(
        self,
        first_name: str,
        *,
        last_name: str = "",
        phone: str | None = None,
        username: str | None = None,
        password: str | None = None,
        bot: bool = False,
        deleted: bool = False,
        user_id: int | None = None,
    ) -> User:
        """Create an account.

        Args:
            first_name: Shown name.
            last_name: Second half of the shown name.
            phone: Number to log in with; without one, nobody can log in by code.
            username: Public name, without the @.
            password: Two-step password; None for none.
            bot: Whether it is a bot.
            deleted: Whether it is a deleted account.
            user_id: The account's id, such as 777000; the next free one when omitted.
        """
        used = [known for known in self.world.users if known < _FIRST_CHAT_NUMBER]
        number = user_id or max(used, default=_FIRST_USER_ID - 1) + 1
        user = User(number, self.world.long(), first_name, last_name, phone=phone, username=username)
        user.password, user.bot, user.deleted = password, bot, deleted
        self.world.users[number] = user
        return user

    def add_group(self, title: str, members: Iterable[User]) -> Group:
        """Create a basic group."""
        chat_id = -(_FIRST_CHAT_NUMBER + len(self.world.groups))
        group = Group(chat_id, title, [member.user_id for member in members], self.world.now())
        self.world.groups[chat_id] = group
        return group

    def add_channel(
        self, title: str, members: Iterable[User], *, megagroup: bool = True, username: str | None = None
    ) -> Channel:
        """Create a supergroup, or a broadcast channel when `megagroup` is false."""
        chat_id = CHANNEL_OFFSET - (_FIRST_CHAT_NUMBER + len(self.world.channels))
        ids = [member.user_id for member in members]
        channel = Channel(chat_id, self.world.long(), title, ids, self.world.now(), megagroup, username)
        self.world.channels[chat_id] = channel
        return channel

    def befriend(self, one: User, other: User) -> None:
        """Put two accounts into each other's contacts."""
        one.contacts.add(other.user_id)
        other.contacts.add(one.user_id)

    # Acting

    async def send(
        self,
        sender: User,
        to: Target,
        text: str,
        *,
        reply_to: int | None = None,
        media: Any = None,
        date: datetime | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> SeenMessage:
        """Write a message; return it as its sender sees it.

        Args:
            sender: Who writes.
            to: A user, a group, a channel, or a marked id; the sender for Saved Messages.
            text: What it says.
            reply_to: Id, in the sender's own count, of the message replied to.
            media: A TL `MessageMedia...` object to attach.
            date: Aware time to carry instead of now.
            fields: Further fields of the TL message, such as `from_scheduled` or `grouped_id`.
        """
        outgoing = Outgoing(text, reply_to_id=reply_to, media=media, date=date, fields=fields or {})
        stored, _ = self._actions.send(sender, id_of(to), outgoing)
        return self._seen(stored, sender)

    async def edit(self, sender: User, chat: Target, message_id: int, *, text: str) -> None:
        """Change an own message."""
        self._actions.edit(sender, id_of(chat), message_id, text=text)

    async def delete(self, actor: User, chat: Target, message_ids: list[int], *, revoke: bool = True) -> None:
        """Delete messages, with `revoke` for everybody; ids are in the actor's own count."""
        chat_id = id_of(chat)
        if chat_id in self.world.channels:
            self._actions.delete_in_channel(actor, chat_id, message_ids)
        else:
            self._actions.delete(actor, message_ids, revoke=revoke)

    async def forward(
        self, actor: User, chat: Target, message_ids: list[int], *, to: Target, hidden: bool = False
    ) -> list[SeenMessage]:
        """Forward messages, for example to oneself; with `hidden`, their authors' accounts are not named."""
        copies = self._actions.forward(actor, id_of(chat), message_ids, to_id=id_of(to), hidden=hidden)
        return [self._seen(stored, actor) for stored, _ in copies]

    async def typing(self, sender: User, chat: Target, *, stop: bool = False) -> None:
        """Show a person as typing, or as having stopped."""
        action = types.SendMessageCancelAction() if stop else types.SendMessageTypingAction()
        self._actions.typing(sender, id_of(chat), action)

    async def read(self, reader: User, chat: Target, *, max_id: int = 0) -> None:
        """Read a chat, up to a message in the reader's own count, or to its end."""
        self._actions.read(reader, id_of(chat), max_id=max_id)

    async def save_draft(self, owner: User, chat: Target, text: str) -> None:
        """Leave a draft, or clear it with an empty text."""
        self._actions.save_draft(owner, id_of(chat), text)

    async def rename(
        self, user: User, *, first_name: str | None = None, last_name: str = "", username: str | None = None
    ) -> None:
        """Take another name and username; who leaves the username out has none afterwards.

        Args:
            user: Who.
            first_name: Shown name; the present one when omitted.
            last_name: Second half of the shown name.
            username: Public name, without the @; None gives it up.

        Raises:
            RPCError: Somebody else has the username.
        """
        self._actions.rename(user, first_name=first_name or user.first_name, last_name=last_name, username=username)

    async def appear(self, user: User, *, online: bool) -> None:
        """Come online, or go offline."""
        self._actions.appear(user, online=online)

    async def accept_login(self, url: str, user: User) -> None:
        """Scan the QR code of a login, given as its `tg://login?token=...` address, with `user`'s phone.

        Raises:
            ValueError: The address holds no token that is waiting.
        """
        text = parse_qs(urlsplit(url).query).get("token", [""])[0]
        try:
            authorization = self._logins.accept_token(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), user)
        except (RPCError, ValueError) as exc:
            raise ValueError("No login waits for this QR code: take the address from a fresh qr_login().") from exc
        self._announce(authorization)

    # Looking

    def conversation(self, viewer: User, chat: Target) -> list[SeenMessage]:
        """Return a chat as one account sees it, oldest message first."""
        return [self._seen(stored, viewer) for stored in self.world.history(viewer, id_of(chat))]

    def draft(self, owner: User, chat: Target) -> str:
        """Return the draft that an account has in a chat; empty when there is none."""
        dialog = owner.dialogs.get(id_of(chat))
        return dialog.draft if dialog else ""

    def unread(self, viewer: User, chat: Target) -> int:
        """Return how many messages of others an account has not read in a chat."""
        return self.world.unread(viewer, id_of(chat))

    @property
    def login_code(self) -> str:
        """The code that logs in, the same for every account; set it to change it."""
        return self._logins.code

    @login_code.setter
    def login_code(self, code: str) -> None:
        self._logins.code = code

    async def wait_for(self, condition: Callable[[], T], *, timeout_s: float = 10.0) -> T:
        """Wait until a condition is true; it is checked after each change.

        Args:
            condition: Returns something true at the end.
            timeout_s: Seconds to wait.

        Returns:
            What the condition returned.

        Raises:
            TimeoutError: It did not become true in time.
        """
        async with asyncio.timeout(timeout_s):
            while not (value := condition()):
                await self._change.wait()
        return value

    def _changed(self) -> None:
        self._change.set()
        self._change = asyncio.Event()

    def _announce(self, authorization: Authorization) -> None:
        raise NotImplementedError

    def _seen(self, stored: StoredMessage, viewer: User) -> SeenMessage:
        sender = self.world.users[stored.sender_id]
        return SeenMessage(
            stored.id,
            sender,
            stored.text,
            stored.date,
            sender is viewer,
            stored.reply_to_id,
            stored.edit_date is not None,
        )
