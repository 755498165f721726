"""Exports made by Telegram Desktop, JSON and HTML."""
