"""the disclosure index, its queue, and answers that were withheld."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from userbot.store import schema

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply; messages are queued here and indexed later, so that a large database opens at once."""
    op.create_table(
        "disclosure_terms",
        sa.Column("term", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("owner_n", sa.Integer(), nullable=False),
        sa.Column("contact_n", sa.Integer(), nullable=False),
        sa.Column("marked_n", sa.Integer(), nullable=False),
        sa.Column("first_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("term", "chat_id", name=op.f("pk_disclosure_terms")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_disclosure_terms_chat_id"), "disclosure_terms", ["chat_id"])
    op.create_table(
        "disclosure_queue",
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("was", sa.Text(), nullable=True),
        sa.Column("was_origin", sa.String(length=8), nullable=True),
        sa.PrimaryKeyConstraint("chat_id", "id", name=op.f("pk_disclosure_queue")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "disclosure_recounts",
        sa.Column("chat_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("chat_id", name=op.f("pk_disclosure_recounts")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "withheld_answers",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("trigger_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", schema.UtcTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["chat_id"], ["chats.id"], name=op.f("fk_withheld_answers_chat_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_withheld_answers")),
    )
    op.create_index(op.f("ix_withheld_answers_chat_id_created_at"), "withheld_answers", ["chat_id", "created_at"])
    for trigger in schema.WORDS_CHANGED:
        op.execute(trigger)
    op.execute(schema.QUEUE_ALL)


def downgrade() -> None:
    """Take back."""
    for name in ("added", "changed", "removed"):
        op.execute(f"DROP TRIGGER disclosure_{name}")
    for table in ("withheld_answers", "disclosure_recounts", "disclosure_queue", "disclosure_terms"):
        op.drop_table(table)
