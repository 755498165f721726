"""What the clone itself did, recognised when it comes back."""

from __future__ import annotations

from userbot.telegram.traces import OwnTraces


def test_words_of_an_unconfirmed_bubble_are_the_clones_once() -> None:
    traces = OwnTraces([(5, "ok")])
    assert traces.is_sent(5, 10, text="ok")
    assert not traces.is_sent(5, 11, text="ok")  # the owner says it too
    assert traces.is_sent(5, 10, text="ok")  # the same message again, as from the reconciler


def test_a_message_that_was_sent_is_known_by_its_id() -> None:
    traces = OwnTraces()
    traces.expect(5, " hello ")
    traces.confirm(5, "hello", message_id=10)
    assert traces.is_sent(5, 10, text="something else, since it was edited")
    assert not traces.is_sent(5, 11, text="hello")
    assert not traces.is_sent(6, 10, text="hello")


def test_a_message_that_telegram_refused_is_not_expected_any_more() -> None:
    traces = OwnTraces()
    traces.expect(5, "hello")
    traces.forget(5, "hello")
    assert not traces.is_sent(5, 10, text="hello")


def test_only_the_latest_messages_are_remembered() -> None:
    traces = OwnTraces()
    for number in range(1, 5002):
        traces.confirm(5, "x", message_id=number)
    assert not traces.is_sent(5, 1, text="x")
    assert traces.is_sent(5, 2, text="x")


def test_what_the_clone_has_read_is_known_up_to_the_newest() -> None:
    traces = OwnTraces()
    assert not traces.is_read(5, 1)
    traces.note_read(5, 7)
    traces.note_read(5, 3)
    assert traces.is_read(5, 7)
    assert not traces.is_read(5, 8)
    assert not traces.is_read(6, 7)


def test_a_draft_is_the_clones_word_for_word_until_it_is_emptied() -> None:
    traces = OwnTraces(drafts={5: " maybe "})
    assert traces.is_draft(5, "maybe")
    assert not traces.is_draft(5, "maybe not")
    traces.note_draft(5, "sure")
    assert not traces.is_draft(5, "maybe")
    traces.note_draft(5, " ")
    assert not traces.is_draft(5, "sure")
