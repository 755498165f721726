"""Chat and sender ids of every era as marked ids: users positive, basic groups `-id`, channels `-100…id`.

Source: Telegram Desktop, export_data_types.cpp and export_output_json.cpp: no sender ids before 1.4.8; bare user ids up
to 2.4.0; 2.4.1 to 2.7.1 add 2³² to users; since 2.7.2 strings such as `user123`. Chat ids are bare since 2.7.2; before,
users have 2³² added, and groups and channels 2³³.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache

from userbot.domain.messages import ChatKind
from userbot.domain.telegram_ids import CHANNEL_MARK
from userbot.importers.telegram.rows import EPOCH, ChatHead, Row

USER_SHIFT = 2**32
GROUP_SHIFT = 2**33
# Larger than any id of Telegram's, and still far from the ids derived for other messengers.
MAX_ID = 2**52

KINDS = {
    "personal_chat": ChatKind.PRIVATE,
    "private_chat": ChatKind.PRIVATE,
    "bot_chat": ChatKind.BOT,
    "saved_messages": ChatKind.SAVED,
    "replies": ChatKind.SERVICE,
    "verification_codes": ChatKind.SERVICE,
    "private_group": ChatKind.GROUP,
    "private_supergroup": ChatKind.GROUP,
    "public_supergroup": ChatKind.GROUP,
    "group_chat": ChatKind.GROUP,
    "private_channel": ChatKind.CHANNEL,
    "public_channel": ChatKind.CHANNEL,
}
_BASIC_GROUPS = ("private_group", "group_chat")


def is_shifted(rows: Sequence[Row]) -> bool:
    """Tell from some rows of an export whether it was made before 2.7.2, when chat ids were shifted."""
    for row in rows:
        sender = row.from_id if row.from_id is not None else row.actor_id
        if isinstance(sender, str) or row.date_unixtime is not None:
            return False
        if sender is not None:
            return True
    return bool(rows)


def mark_sender(value: str | int | None) -> int | None:
    """Return a sender's marked id.

    Args:
        value: `from_id` as any era writes it: 123, 4294967419, "user123", "channel5".

    Returns:
        The marked id; None where there is none or it makes no sense.
    """
    if isinstance(value, int):
        if value >= GROUP_SHIFT:
            return _mark(value - GROUP_SHIFT, CHANNEL_MARK)
        return _mark(value - USER_SHIFT if value >= USER_SHIFT else value, 0)
    if not value:
        return None
    prefix = value.rstrip("0123456789")
    digits = value[len(prefix) :]
    if prefix not in ("user", "chat", "channel", "") or not 0 < len(digits) < 20:
        return None
    number = int(digits)
    if prefix == "chat":
        return -number if number <= MAX_ID else None
    return _mark(number, CHANNEL_MARK if prefix == "channel" else 0)


def mark_chat(head: ChatHead, *, shifted: bool) -> int | None:
    """Return a chat's marked id.

    Args:
        head: The chat's id and type as exported.
        shifted: Whether the export was made before 2.7.2.

    Returns:
        The marked id; None where there is none or it makes no sense.
    """
    number = head.id
    if number is None or not 0 < number <= MAX_ID + GROUP_SHIFT:
        return None
    kind = KINDS.get(head.type or "")
    grouped = kind in (ChatKind.GROUP, ChatKind.CHANNEL)
    shift = GROUP_SHIFT if grouped else USER_SHIFT
    if shifted and number >= shift:
        number -= shift
    if head.type in _BASIC_GROUPS:
        return -number
    return _mark(number, CHANNEL_MARK if grouped else 0)


def read_time(local: str | None, unix: datetime | None) -> datetime | None:
    """Return an exported time as an aware one.

    Args:
        local: ISO time without a zone, of the exporting computer; this computer's zone is assumed.
        unix: The exact time, which exports have since 3.7.6; it decides where it is given.

    Returns:
        The time in UTC; None where it is missing, meaningless or the zero of 1970.
    """
    if unix is not None:
        # The decoder takes dates with an offset too, which no exporter writes; some lie beyond UTC's calendar.
        return unix if unix.tzinfo is UTC and unix > EPOCH else None
    if local is None:
        return None
    try:
        moment = datetime.fromisoformat(local)
        if moment.year <= 1970:
            return None
        start = _find_start(moment.date()) if moment.tzinfo is None else None
        return moment.astimezone(UTC) if start is None else EPOCH + (moment - start)
    except (ValueError, OverflowError, OSError):
        return None


@lru_cache(maxsize=100)
def _find_start(day: date) -> datetime | None:
    """Return what local clocks would have shown at the epoch with the zone of a day; None if it changes that day.

    Asking the system for the zone costs more than everything else about a row, and many rows share a day.
    """
    midnight = datetime.combine(day, time())
    offset, next_offset = midnight.astimezone().utcoffset(), (midnight + timedelta(days=1)).astimezone().utcoffset()
    return EPOCH.replace(tzinfo=None) + offset if offset is not None and offset == next_offset else None


def _mark(number: int, mark: int) -> int | None:
    if not 0 < number <= MAX_ID:
        return None
    return mark - number if mark else number
