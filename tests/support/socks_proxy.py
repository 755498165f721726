"""A SOCKS5 proxy on 127.0.0.1 that asks for a name and a password. Sources: RFC 1928, RFC 1929."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

_VERSION, _ASKS, _CONNECT, _IPV4, _NAME = 5, 2, 1, 1, 3


@dataclass
class Socks5:
    """The proxy: whom it lets in, and where they went.

    Args:
        login: Name and password.
    """

    login: tuple[str, str]
    targets: list[tuple[str, int]] = field(default_factory=list)
    logins: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[Socks5]:
        """Accept connections."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if await self._let_in(reader, writer):
                host, port = await self._read_target(reader)
                self.targets.append((host, port))
                further = await asyncio.open_connection(host, port)
                writer.write(bytes([_VERSION, 0, 0, _IPV4, 0, 0, 0, 0, 0, 0]))
                await asyncio.gather(_copy(reader, further[1]), _copy(further[0], writer))
        writer.close()

    async def _let_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        _, count = await reader.readexactly(2)
        await reader.readexactly(count)
        writer.write(bytes([_VERSION, _ASKS]))
        await reader.readexactly(1)
        name, password = [(await reader.readexactly((await reader.readexactly(1))[0])).decode() for _ in range(2)]
        self.logins.append((name, password))
        writer.write(bytes([1, 0 if (name, password) == self.login else 1]))
        return (name, password) == self.login

    async def _read_target(self, reader: asyncio.StreamReader) -> tuple[str, int]:
        _, command, _, kind = await reader.readexactly(4)
        assert command == _CONNECT
        if kind == _NAME:
            host = (await reader.readexactly((await reader.readexactly(1))[0])).decode()
        else:
            assert kind == _IPV4
            host = ".".join(str(part) for part in await reader.readexactly(4))
        return host, int.from_bytes(await reader.readexactly(2), "big")


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    writer.close()
