"""Telegram through Telethon, which nothing else in the product imports: session, updates, history, sending."""
