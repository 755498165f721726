"""The server's side of MTProto 2.0: framing, key exchange, encryption, sessions, the proof of a password."""
