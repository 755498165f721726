"""What the loopback Telegram remembers, what people do in it, and which clients are notified."""
