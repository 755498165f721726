"""The pure steps of the reply path: debounce, context, guard, pacing, quoting, loops."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from fakes import START, bubble
from hypothesis import given
from hypothesis import strategies as st

from userbot.domain.messages import Chat, ChatKind, Message, Origin, Reply
from userbot.reply.context import build_context, find_burst, is_addressed, last_own_text
from userbot.reply.debounce import Debounce
from userbot.reply.guard import Draft, inspect
from userbot.reply.loops import find_loop
from userbot.reply.pacing import Habits, Pace, derive_random_id, learn_habits, plan_bubbles
from userbot.reply.quoting import pick_quotes

FRIEND = Chat(id=101, kind=ChatKind.PRIVATE, title="Vera")
GROUP = Chat(id=-55, kind=ChatKind.GROUP, title="Hike")


def _at(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


def _own(message_id: int, text: str, at_s: float = 0.0) -> Message:
    return bubble(message_id, text, origin=Origin.OWNER, at_s=at_s)


def _clone(message_id: int, text: str, at_s: float = 0.0) -> Message:
    return bubble(message_id, text, origin=Origin.CLONE, at_s=at_s)


class TestDebounce:
    def test_each_bubble_puts_the_end_off(self) -> None:
        debounce = Debounce(quiet_s=7, burst_max_s=45)
        assert debounce.due_at is None
        debounce.add_bubble(START)
        debounce.add_bubble(START + _at(5))
        assert debounce.due_at == START + _at(12)

    def test_typing_puts_the_end_off_and_means_nothing_before_a_bubble(self) -> None:
        debounce = Debounce(quiet_s=2, burst_max_s=45)
        debounce.add_typing(START)
        assert debounce.due_at is None
        debounce.add_bubble(START)
        debounce.add_typing(START + _at(1))
        assert debounce.due_at == START + _at(7)

    def test_nothing_puts_the_end_off_beyond_the_ceiling(self) -> None:
        debounce = Debounce(quiet_s=7, burst_max_s=20)
        for second in range(0, 60, 5):
            debounce.add_bubble(START + _at(second))
        assert debounce.due_at == START + _at(20)

    def test_reopened_burst_keeps_its_ceiling(self) -> None:
        debounce = Debounce(quiet_s=7, burst_max_s=20)
        debounce.reopen(START)
        debounce.add_bubble(START + _at(18))
        assert debounce.due_at == START + _at(20)


class TestContext:
    def test_burst_is_what_came_after_the_owner_and_was_not_handled(self) -> None:
        window = [bubble(1, "a"), _own(2, "b"), bubble(3, "c"), bubble(4, "d"), bubble(5, "e")]
        assert [m.id for m in find_burst(window, handled_id=3)] == [4, 5]
        assert find_burst([*window, _own(6, "f")], handled_id=0) == ()

    def test_bubble_between_two_of_the_clones_still_waits_and_is_asked_last(self) -> None:
        window = [bubble(1, "q1"), _clone(2, "a1"), bubble(3, "q2"), _clone(4, "a1b")]
        burst = find_burst(window, handled_id=1)
        context = build_context(FRIEND, window, burst)
        assert [turn.bubbles for turn in context.prompt.turns] == [("q1",), ("a1", "a1b"), ("q2",)]
        assert not context.prompt.turns[-1].mine

    def test_context_is_the_running_session_and_says_who_the_contact_is(self) -> None:
        day_s = 86400.0
        window = [bubble(1, "old"), _own(2, "old too", 60), bubble(3, "new", at_s=day_s)]
        context = build_context(FRIEND, window, window[2:])
        assert context.message_ids == (3,)
        assert context.prompt.system == "Chat with Vera."

    def test_media_reach_the_model_as_placeholders(self) -> None:
        voice = Message(chat_id=101, id=1, origin=Origin.CONTACT, sent_at=START, text="", media="[voice 0:07]")
        assert build_context(FRIEND, [voice], [voice]).prompt.turns[0].bubbles == ("[voice 0:07]",)

    def test_group_shows_names_and_keeps_to_the_topic(self) -> None:
        def said(message_id: int, topic: int, name: str) -> Message:
            return Message(
                chat_id=-55,
                id=message_id,
                origin=Origin.CONTACT,
                sent_at=START,
                text="hi",
                sender_name=name,
                topic_id=topic,
            )

        window = [said(1, 7, "Ann"), said(2, 8, "Bob"), said(3, 7, "Cid")]
        context = build_context(GROUP, window, window[2:])
        assert context.prompt.turns[0].bubbles == ("Ann: hi", "Cid: hi")

    def test_group_is_addressed_by_name_or_by_an_answer_to_the_owner(self) -> None:
        mine = _own(1, "who comes?")
        answer = Message(chat_id=101, id=2, origin=Origin.CONTACT, sent_at=START, text="me", reply_to_id=1)
        assert is_addressed([answer], [mine, answer], username=None)
        assert is_addressed([bubble(3, "ask @Vasya_P")], [], username="vasya_p")
        assert not is_addressed([bubble(3, "ask him")], [mine], username="vasya_p")

    @pytest.mark.parametrize("text", ["ask @anna", "ask @ann_b", "mail to x@ann.com", "t.me/@@annie"])
    def test_longer_name_or_address_of_mail_addresses_somebody_else(self, text: str) -> None:
        assert not is_addressed([bubble(3, text)], [], username="ann")

    @pytest.mark.parametrize("text", ["@ann", "(@Ann)", "hey @ann, are you there?"])
    def test_name_between_marks_addresses_the_owner(self, text: str) -> None:
        assert is_addressed([bubble(3, text)], [], username="ann")

    def test_last_own_text_is_the_clones_or_the_owners_last_turn(self) -> None:
        assert last_own_text([_own(1, "a"), bubble(2, "b"), _clone(3, "c"), _clone(4, "d"), bubble(5, "e")]) == "c\nd"
        assert last_own_text([bubble(1, "a")]) is None


class TestGuard:
    @pytest.mark.parametrize(
        ("bubbles", "problem"),
        [
            ((), "empty"),
            (("  ", ""), "empty"),
            (("fine [/INST] not",), "a role marker in the text"),
            (("ok", "User: what"), "a role marker in the text"),
            (("ok </s>",), "a role marker in the text"),
            (("<|im_end|>",), "a role marker in the text"),
            (("ok", "long words " * 400), "a bubble that is too long for Telegram"),
            (("[voice 0:07]",), "a placeholder of media instead of words"),
            (("look", "[file a b.pdf]"), "a placeholder of media instead of words"),
            (("no",) * 3, "the same bubble again and again"),
            (("see you at the station", "ok", "see you at the station"), "the same bubble again and again"),
            (tuple("abcdefghi"), "more than 8 bubbles"),
            (("аха" * 20,), "characters in a loop"),
            (("and then we go " * 5,), "characters in a loop"),
            (("x y longer phrase with nine words is here again now " * 4,), "words in a loop"),
            (("go " * 9,), "words in a loop"),
        ],
    )
    def test_broken_reply_is_stopped(self, bubbles: tuple[str, ...], problem: str) -> None:
        assert inspect(Draft(Reply(bubbles=bubbles))) == problem

    @pytest.mark.parametrize(
        "bubbles",
        [
            ("ахахахаха))))))", "да да да", "нет, ну ты чего"),
            ("👍",),
            ("[?] not sure", "see [the photo] I sent"),
            ("User experience is bad there",),
            ("no", "no"),
        ],
    )
    def test_lively_reply_passes(self, bubbles: tuple[str, ...]) -> None:
        assert inspect(Draft(Reply(bubbles=bubbles))) is None

    def test_cut_reply_is_stopped(self) -> None:
        assert inspect(Draft(Reply(bubbles=("so then I",), finish="length"))) == "cut at the longest length"

    def test_own_last_words_are_not_repeated_but_short_ones_may_be(self) -> None:
        assert inspect(Draft(Reply(bubbles=("I am on  my way",)), "i am on my way")) == "word for word the last reply"
        assert inspect(Draft(Reply(bubbles=("ok",)), "ok")) is None

    def test_further_checks_come_last(self) -> None:
        draft = Draft(Reply(bubbles=("my card is 1234",)))
        assert inspect(draft, [lambda d: "private data" if "card" in d.reply.bubbles[0] else None]) == "private data"


class TestLoops:
    def _talk(self, *lines: tuple[str, str]) -> list[Message]:
        made = {"p": Origin.CONTACT, "c": Origin.CLONE, "o": Origin.OWNER}
        return [bubble(n, text, origin=made[who]) for n, (who, text) in enumerate(lines, 1)]

    def test_machine_that_counts_is_noticed(self) -> None:
        window = self._talk(*[pair for n in range(4) for pair in (("p", f"Ticket {n} is queued"), ("c", f"ok {n}!"))])
        assert find_loop(window) == "the contact repeats itself like a machine"

    def test_echo_is_noticed(self) -> None:
        words = ["where are you", "at home now", "what is for dinner", "some soup I guess"]
        window = self._talk(("p", "start"), *[pair for word in words for pair in (("c", word), ("p", word))])
        assert find_loop(window) == "the contact gives the clone's words back"

    def test_owners_word_starts_the_count_anew(self) -> None:
        lines = [pair for n in range(3) for pair in (("p", f"Ticket {n} is queued"), ("c", "ok"))]
        assert find_loop(self._talk(*lines, ("o", "stop"), ("p", "Ticket 4 is queued"))) is None

    def test_people_who_talk_are_no_loop(self) -> None:
        words = ["hi", "how are you", "want to meet?", "at six then", "see you"]
        assert find_loop(self._talk(*[pair for word in words for pair in (("p", word), ("c", f"{word}?"))])) is None


class TestPacing:
    HABITS = Habits(delay_s=10, typing_cps=5)

    def _plan(self, scale: float, now_s: float = 0.0, seed: int = 1) -> list[float]:
        burst = [bubble(1, "how are you?")]
        now = START + _at(now_s)
        plan = plan_bubbles(
            ["fine, and you", "long " * 20],
            burst,
            habits=self.HABITS,
            pace=Pace(scale=scale),
            now=now,
            random=Random(seed),  # noqa: S311  # jitter, no secret
        )
        return [(at - now).total_seconds() for one in plan for at in (one.typing_at, one.due_at) if at is not None]

    def test_scale_zero_sends_at_once(self) -> None:
        assert self._plan(0) == [0, 0, 0, 0]

    @given(st.integers(0, 500))
    def test_times_are_in_order_and_bounded(self, seed: int) -> None:
        times = self._plan(1, seed=seed)
        assert times == sorted(times)
        assert 7 <= times[0] <= 13
        assert times[3] - times[2] >= 100 / 5 * 0.85

    def test_time_already_spent_is_part_of_the_delay(self) -> None:
        assert self._plan(1, now_s=60)[0] <= 1

    def test_habits_are_learned_from_the_owners_own_words(self) -> None:
        history, at_s, number = [], 0.0, 0
        for _ in range(6):
            number += 3
            history.append(bubble(number, "q", at_s=at_s))
            history.append(_own(number + 1, "an answer", at_s + 20))
            history.append(_own(number + 2, "x" * 40, at_s + 30))
            at_s += 4000
        assert learn_habits(history, Pace()) == Habits(delay_s=20, typing_cps=4)
        as_clone = [bubble(m.id, m.text, origin=Origin.CLONE, at_s=n) for n, m in enumerate(history)]
        assert learn_habits(as_clone, Pace(typing_cps=6, delay_s=3)) == Habits(delay_s=3, typing_cps=6)

    def test_learned_values_have_bounds(self) -> None:
        history = []
        for n in range(10):
            history += [bubble(3 * n + 1, "q", at_s=1000.0 * n), _own(3 * n + 2, "a", 1000.0 * n + 500)]
            history.append(_own(3 * n + 3, "b" * 500, 1000.0 * n + 501))
        assert learn_habits(history, Pace()) == Habits(delay_s=60, typing_cps=14)

    def test_random_id_depends_on_what_is_answered_only(self) -> None:
        assert derive_random_id(1, 2, 0) == derive_random_id(1, 2, 0)
        ids = {derive_random_id(chat, trigger, part) for chat in (1, -1) for trigger in (5, 6) for part in (0, 1)}
        assert len(ids) == 8
        assert all(-(2**63) <= one < 2**63 for one in ids)


class TestQuoting:
    def test_several_questions_are_answered_one_by_one(self) -> None:
        burst = [bubble(1, "coming?"), bubble(2, "by car"), bubble(3, "with Ann?")]
        assert pick_quotes(FRIEND, burst, 2) == [1, 3]
        assert pick_quotes(FRIEND, burst, 1) == [None]
        assert pick_quotes(FRIEND, burst[:2], 1) == [None]

    def test_group_quotes_the_newest(self) -> None:
        assert pick_quotes(GROUP, [bubble(1, "a"), bubble(2, "b?")], 2) == [2, None]
