"""What the rows of a chat's ledger say together."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from userbot.domain.consent import Action, ConsentRecord, ConsentState

AT = datetime(2026, 1, 5, 12, tzinfo=UTC)
GROUP = -100


def row(
    number: int, action: Action, members: tuple[int, ...] | None = None, *, since: datetime | None = None
) -> ConsentRecord:
    return ConsentRecord(
        id=number, account_id=None, chat_id=GROUP, action=action, members=members, since=since,
        at=AT + timedelta(seconds=number), given_by="them", wording=None, reason=None, origin="owner",
    )  # fmt: skip


def after(*rows: ConsentRecord) -> ConsentState:
    state = ConsentState(GROUP)
    for one in rows:
        state.apply(one)
    return state


def test_nothing_said_is_no_consent() -> None:
    assert ConsentState(GROUP).lapsed and not ConsentState(GROUP).covers()


def test_consent_after_a_withdrawal_stands() -> None:
    state = after(row(1, Action.GIVEN), row(2, Action.WITHDRAWN))
    assert state.lapsed and state.withdrawn is not None
    state.apply(row(3, Action.GIVEN))
    assert state.stands and state.withdrawn is None


def test_one_member_who_leaves_ends_it_for_the_group_until_they_agree_again() -> None:
    state = after(row(1, Action.GIVEN, (5, 6, 7)), row(2, Action.WITHDRAWN, (6,)))
    assert state.lapsed and state.left == {6} and set(state.agreed) == {5, 7}
    state.apply(row(3, Action.GIVEN, (5,)))
    assert state.lapsed
    state.apply(row(4, Action.GIVEN, (6,)))
    assert state.stands


def test_somebody_new_stops_training_but_makes_nothing_stale() -> None:
    state = after(row(1, Action.GIVEN, (5, 6)))
    state.missing = (7,)
    assert not state.stands and not state.lapsed


def test_messages_count_from_the_latest_day_that_a_consent_names() -> None:
    later = AT + timedelta(days=1)
    state = after(row(1, Action.GIVEN, (5,), since=AT), row(2, Action.GIVEN, (6,), since=later))
    assert state.since == later
    assert state.covers(later) and not state.covers(AT) and state.covers()
