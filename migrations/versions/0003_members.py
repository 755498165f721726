"""Names of members, and titles that the owner was told."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from userbot.store.members import choose_names

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_FIRST = """
SELECT chat_id, sender_id, sender_name, MIN(sent_at) FROM messages
WHERE origin = 'peer' AND sender_id IS NOT NULL AND sender_name > '' AND NOT (sender_id = chat_id AND chat_id > 0)
GROUP BY chat_id, sender_id ORDER BY MIN(sent_at)
"""


def upgrade() -> None:
    """Apply: each member keeps the first name that they were seen with."""
    members = op.create_table(
        "members",
        sa.Column("chat_id", sa.BigInteger(), nullable=False),
        sa.Column("sender_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(["chat_id"], ["chats.id"], name=op.f("fk_members_chat_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("chat_id", "sender_id", name=op.f("pk_members")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("chats", schema=None) as batch_op:
        batch_op.add_column(sa.Column("told_title", sa.String(), nullable=True))
    connection = op.get_bind()
    connection.execute(sa.text("UPDATE chats SET told_title = title WHERE mode != 'off' OR consent_at IS NOT NULL"))
    found = {(row.chat_id, row.sender_id): row.sender_name for row in connection.execute(sa.text(_FIRST))}
    rows = [
        {"chat_id": chat_id, "sender_id": sender_id, "name": name}
        for (chat_id, sender_id), name in choose_names(found, {}).items()
    ]
    if rows:
        connection.execute(members.insert(), rows)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("chats", schema=None) as batch_op:
        batch_op.drop_column("told_title")
    op.drop_table("members")
