"""Telegram's ids: how chats are marked, which accounts belong to Telegram, and where other messengers' ids begin.

A marked id says what it names: users are positive, basic groups `-id`, channels and supergroups `-100…id`.
"""

from __future__ import annotations

LOGIN_CODES_ID = 777000
"""Telegram's own account, which sends login codes and notices."""

SERVICE_IDS = frozenset({LOGIN_CODES_ID, 42777, 333000, 489000, 1271266957})
"""Telegram's own accounts, with which nobody converses: login codes and notices, support, forwarded replies,
verification codes.

Source for 777000 and 333000: Telegram Desktop, data/data_peer.h, isNotificationsUser.
"""

CHANNEL_MARK = -1_000_000_000_000
"""The marked id of a channel or supergroup is this number minus its id. Those above it, up to `FIRST_DERIVED_ID`, are
private chats and basic groups, whose messages share one numbering."""

FIRST_DERIVED_ID = 2**61
"""Chats of other messengers have ids from here up, derived from their names."""


def is_basic_group(chat_id: int) -> bool:
    """Tell whether a marked id is that of a basic group."""
    return CHANNEL_MARK < chat_id < 0
