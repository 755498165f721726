"""What the loopback Telegram remembers, what people do in it, and who is told of what."""
