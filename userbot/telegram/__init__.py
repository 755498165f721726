"""The only importer of Telethon: session, updates, history, sending."""
