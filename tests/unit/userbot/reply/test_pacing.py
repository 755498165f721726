"""How long reading, typing and sending take."""

from __future__ import annotations

from datetime import timedelta
from random import Random

from fakes import START, bubble
from hypothesis import given
from hypothesis import strategies as st

from userbot.domain.messages import Chat, ChatKind, Message, Origin
from userbot.reply.pacing import USUAL_DELAY_S, Habits, Pace, derive_random_id, learn_habits, plan_bubbles

GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def _at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _own(message_id: int, text: str, at_s: float = 0.0) -> Message:
    return bubble(message_id, text, origin=Origin.OWNER, at_s=at_s)


PACE = Pace(scale=1, typing_cps=6)
HABITS = Habits(delay_s=10, typing_cps=5)


def _plan(scale: float, now_s: float = 0.0, seed: int = 1) -> list[float]:
    burst = [bubble(1, "how are you?")]
    now = START + _at(now_s)
    plan = plan_bubbles(
        ["fine, and you", "long " * 20],
        burst,
        habits=HABITS,
        pace=Pace(scale=scale, typing_cps=7),
        now=now,
        random=Random(seed),  # noqa: S311  # jitter, no secret
    )
    return [(at - now).total_seconds() for one in plan for at in (one.typing_at, one.due_at) if at is not None]


def test_scale_zero_sends_at_once() -> None:
    assert _plan(0) == [0, 0, 0, 0]


@given(st.integers(0, 500))
def test_times_are_in_order_and_bounded(seed: int) -> None:
    times = _plan(1, seed=seed)
    assert times == sorted(times)
    assert 7 <= times[0] <= 13
    assert times[3] - times[2] >= 100 / 5 * 0.85


def test_time_already_spent_is_part_of_the_delay() -> None:
    assert _plan(1, now_s=60)[0] <= 1


def test_habits_are_learned_from_the_owners_own_words() -> None:
    history, at_s, number = [], 0.0, 0
    for _ in range(6):
        number += 3
        history.append(bubble(number, "q", at_s=at_s))
        history.append(_own(number + 1, "an answer", at_s + 20))
        history.append(_own(number + 2, "x" * 40, at_s + 30))
        at_s += 4000
    assert learn_habits(history, PACE) == Habits(delay_s=20, typing_cps=4)
    as_clone = [bubble(m.id, m.text, origin=Origin.CLONE, at_s=n) for n, m in enumerate(history)]
    assert learn_habits(as_clone, PACE) == Habits(delay_s=USUAL_DELAY_S, typing_cps=6)


def test_learned_values_have_bounds() -> None:
    history = []
    for n in range(10):
        history += [bubble(3 * n + 1, "q", at_s=1000.0 * n), _own(3 * n + 2, "a", 1000.0 * n + 500)]
        history.append(_own(3 * n + 3, "b" * 500, 1000.0 * n + 501))
    assert learn_habits(history, PACE) == Habits(delay_s=60, typing_cps=14)


def test_random_id_depends_on_what_is_answered_only() -> None:
    assert derive_random_id(1, 2, 0) == derive_random_id(1, 2, 0)
    ids = {derive_random_id(chat, trigger, part) for chat in (1, -1) for trigger in (5, 6) for part in (0, 1)}
    assert len(ids) == 8
    assert all(-(2**63) <= one < 2**63 for one in ids)
