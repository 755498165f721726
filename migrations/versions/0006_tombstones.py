"""Tombstones of forgotten chats and people."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from userbot.store import schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "tombstones",
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("person_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("same_as", sa.BigInteger(), nullable=False),
        sa.Column("forgotten_at", schema.UtcTime(), nullable=False),
        sa.Column("up_to_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("chat_id", "person_id", name=op.f("pk_tombstones")),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("tombstones")
