"""Alembic's entry: with the engine that the program passes, or by hand on a database that is named.

By hand: `alembic -c migrations/alembic.ini -x database=clone.db revision --autogenerate -m "..."`.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import Engine, create_engine

from userbot.store.schema import metadata


def run() -> None:
    """Run the migrations that Alembic asks for."""
    engine: Engine | None = context.config.attributes.get("engine")
    if engine is None:
        database = context.get_x_argument(as_dictionary=True).get("database")
        if not database:
            raise SystemExit("Name the database: alembic -c migrations/alembic.ini -x database=clone.db …")
        engine = create_engine(f"sqlite:///{database}")
    with engine.connect() as connection:
        context.configure(
            connection=connection, target_metadata=metadata, render_as_batch=True, user_module_prefix="schema."
        )
        with context.begin_transaction():
            context.run_migrations()
        connection.commit()


run()
