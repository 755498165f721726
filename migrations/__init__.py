"""Alembic migrations of the store; the program applies them when it opens the database."""
