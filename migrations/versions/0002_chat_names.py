"""Names in prompts, and usernames of before."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from userbot.store import schema

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply: chats that are answered or trained on keep the name that prompts had so far."""
    with op.batch_alter_table("chats", schema=None) as batch_op:
        batch_op.add_column(sa.Column("former_usernames", sa.JSON(), server_default="[]", nullable=False))
        batch_op.add_column(sa.Column("prompt_names", schema.PromptNames(), server_default="[]", nullable=False))
    connection = op.get_bind()
    used = sa.text("SELECT id, title FROM chats WHERE mode != 'off' OR consent_at IS NOT NULL")
    for chat_id, title in connection.execute(used).all():
        names = json.dumps([[title, 0]], ensure_ascii=False)
        connection.execute(
            sa.text("UPDATE chats SET prompt_names = :names WHERE id = :id"), {"names": names, "id": chat_id}
        )


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("chats", schema=None) as batch_op:
        batch_op.drop_column("prompt_names")
        batch_op.drop_column("former_usernames")
