"""Where a loopback server listens, and how to point Telethon at it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any, Self

from telethon.crypto import rsa


@dataclass(frozen=True, slots=True)
class LoopbackEndpoint:
    """Everything that a client in another process needs to find the server and to trust its key.

    Args:
        host: Address of the server.
        port: Its TCP port.
        dc_id: Number of the data centre that it plays.
        public_key_pem: Its public RSA key.
    """

    host: str
    port: int
    dc_id: int
    public_key_pem: str

    def to_json(self) -> str:
        """Return the endpoint as text, for a file or an environment variable."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: The text is something else.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError) as exc:
            raise ValueError(
                f"The loopback endpoint can't be read ({type(exc).__name__}): "
                "write it with LoopbackEndpoint.to_json() of the running server."
            ) from exc

    def trust(self) -> None:
        """Let Telethon in this process accept the server's key, in addition to Telegram's own."""
        rsa.add_key(self.public_key_pem, old=False)

    def apply(self, session: Any) -> None:
        """Point a Telethon session, such as `client.session`, at the server, before the client connects.

        The session keeps the address: later clients with the same session file need only `trust`.
        """
        self.trust()
        if (session.dc_id, session.server_address, session.port) != (self.dc_id, self.host, self.port):
            session.set_dc(self.dc_id, self.host, self.port)
            session.save()
