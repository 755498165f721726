"""Tombstones of forgotten chats and people; a reason of a withdrawal may name somebody, and is forgotten too."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from userbot.store import schema

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


_SAME = " AND ".join(
    f"NEW.{name} IS OLD.{name}"
    for name in ("id", "account_id", "chat_id", "action", "members", "since", "at", "origin")
)
_REFUSE_UPDATE = f"""
CREATE TRIGGER consents_refuse_update BEFORE UPDATE ON consents
WHEN NOT ({_SAME} AND NEW.given_by IS NULL AND NEW.wording IS NULL AND (NEW.reason IS NULL OR NEW.reason IS OLD.reason)
          AND EXISTS (SELECT 1 FROM consents AS later WHERE later.chat_id = OLD.chat_id AND later.id > OLD.id
                      AND later.action = 'withdrawn' AND later.reason = 'forgotten'))
BEGIN SELECT RAISE(ABORT, 'the ledger of consents is append-only: record a new one, or a withdrawal'); END
"""  # noqa: S608 - names above


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
    op.execute("DROP TRIGGER consents_refuse_update")
    op.execute(_REFUSE_UPDATE)


def downgrade() -> None:
    """Take back."""
    op.drop_table("tombstones")
