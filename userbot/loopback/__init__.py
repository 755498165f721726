"""A Telegram server on 127.0.0.1 for tests and the demo: real MTProto 2.0, so that unmodified Telethon connects to it.

::

    async with LoopbackTelegram() as server:
        owner = server.add_user("Owner", phone="+10000000001")     # password="..." for two-step verification
        alice = server.add_user("Alice")

        client = TelegramClient(MemorySession(), 1, "hash")
        server.endpoint.apply(client.session)                      # before connect(); to_json() for a subprocess
        await server.log_in(client, owner)                         # or client.start(...) with server.login_code

        await server.send(alice, owner, "hi")                      # arrives as a live update
        await server.typing(alice, owner)
        await server.send(owner, alice, "from my phone")           # the owner's other device
        await server.wait_for(lambda: server.conversation(owner, alice)[-1].text == "bye")
        server.faults.flood_wait("messages.sendMessage", 3)        # and drop, delay, revoke, ban, miss_updates, ...

Everything that acts is a coroutine (`send`, `edit`, `delete`, `forward`, `typing`, `read`, `save_draft`, `appear`,
`accept_login`); everything that only looks is not (`conversation`, `draft`, `unread`, `connected`, `calls_of`). The
guide is docs/loopback.md.

The package stands on nothing of the product, and in three layers: `mtproto` (the protocol), `world` (state and what
happens in it), `handlers` (answers to API requests); the modules here put them together.
"""

from userbot.loopback import media
from userbot.loopback.endpoint import LoopbackEndpoint
from userbot.loopback.faults import Faults
from userbot.loopback.server import LoopbackTelegram
from userbot.loopback.stage import SeenMessage
from userbot.loopback.thread import LoopbackThread
from userbot.loopback.world.state import Channel, Group, User

__all__ = [
    "Channel",
    "Faults",
    "Group",
    "LoopbackEndpoint",
    "LoopbackTelegram",
    "LoopbackThread",
    "SeenMessage",
    "User",
    "media",
]
