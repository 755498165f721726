"""The ledger of consents. What chats said of consent so far is carried over into it."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

from userbot.store.members import member_id

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_FORGOTTEN = """
EXISTS (SELECT 1 FROM consents AS later WHERE later.chat_id = OLD.chat_id AND later.id > OLD.id
        AND later.action = 'withdrawn' AND later.reason = 'forgotten')
"""
_SAME = " AND ".join(
    f"NEW.{name} IS OLD.{name}"
    for name in ("id", "account_id", "chat_id", "action", "members", "since", "at", "reason", "origin")
)
# Names and wordings of a chat that is forgotten are erased: the one change that the ledger takes.
_TRIGGERS = (
    f"""
    CREATE TRIGGER consents_refuse_update BEFORE UPDATE ON consents
    WHEN NOT ({_SAME} AND NEW.given_by IS NULL AND NEW.wording IS NULL AND {_FORGOTTEN})
    BEGIN SELECT RAISE(ABORT, 'the ledger of consents is append-only: record a new one, or a withdrawal'); END
    """,
    """
    CREATE TRIGGER consents_refuse_delete BEFORE DELETE ON consents
    BEGIN SELECT RAISE(ABORT, 'the ledger of consents is append-only: nothing is deleted from it'); END
    """,
    # INSERT OR REPLACE deletes without asking the trigger above.
    """
    CREATE TRIGGER consents_refuse_replace BEFORE INSERT ON consents
    WHEN NEW.id IS NOT NULL AND NEW.id > -1 AND NEW.id <= (SELECT COALESCE(MAX(id), 0) FROM consents)
    BEGIN SELECT RAISE(ABORT, 'the ledger of consents is append-only: nothing is inserted before its end'); END
    """,
)
_GIVEN = "SELECT id, kind, consent_at, consent_by FROM chats WHERE consent_at IS NOT NULL ORDER BY consent_at, id"
_MEMBERS = """
SELECT sender_id, sender_name FROM messages WHERE chat_id = :chat AND origin = 'peer' AND deleted_at IS NULL
UNION SELECT sender_id, name FROM members WHERE chat_id = :chat
"""


def upgrade() -> None:
    """Apply: each consent of before belongs to the account that is logged in; a group's to those who wrote in it."""
    op.create_table(
        "consents",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.BigInteger(), nullable=True),
        sa.Column("chat_id", sa.BigInteger(), nullable=True),
        sa.Column("action", sa.String(length=16), nullable=False),
        sa.Column("members", sa.JSON(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("given_by", sa.String(), nullable=True),
        sa.Column("wording", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("origin", sa.String(length=32), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_consents")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_consents_chat_id_id"), "consents", ["chat_id", "id"])
    _carry_over(op.get_bind())
    for trigger in _TRIGGERS:
        op.execute(trigger)


def downgrade() -> None:
    """Take back."""
    op.drop_table("consents")


def _carry_over(connection: sa.Connection) -> None:
    stored = connection.execute(sa.text("SELECT value FROM facts WHERE key = 'owner_id'")).scalar()
    account_id = None if stored is None else int(stored)
    insert = sa.text(
        "INSERT INTO consents (account_id, chat_id, action, members, at, given_by, origin) "
        "VALUES (:account, :chat, 'given', :members, :at, :by, 'carried over')"
    )
    for row in connection.execute(sa.text(_GIVEN)).all():
        found = None
        if row.kind == "group":
            wrote = connection.execute(sa.text(_MEMBERS), {"chat": row.id}).all()
            found = sorted({member_id(*one) for one in wrote})
        connection.execute(
            insert,
            {
                "account": account_id,
                "chat": row.id,
                "members": None if found is None else json.dumps(found),
                "at": row.consent_at,
                "by": row.consent_by,
            },
        )
