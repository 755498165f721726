"""Private values become placeholders, by what stands before them and by nothing after them."""

from __future__ import annotations

import pytest

from userbot.domain.errors import ConfigError
from userbot.domain.messages import Turn
from userbot.domain.prompt_rules import CustomPattern, Masking
from userbot.trust.masking import mask_turns

PLAIN = Masking()


def test_values_become_typed_placeholders_and_are_counted() -> None:
    turns = [Turn(False, ("дай номер и почту",)), Turn(True, ("вот мой номер 8 916 123-45-67, почта a.b@mail.ru",))]
    masked = mask_turns(turns, PLAIN)
    assert [turn.bubbles for turn in masked.turns] == [
        ("дай номер и почту",),
        ("вот мой номер [phone], почта [email]",),
    ]
    assert masked.counts == {"phone": 1, "email": 1}


def test_what_the_turn_before_asks_for_is_masked() -> None:
    masked = mask_turns([Turn(False, ("какой пароль?",)), Turn(True, ("hunter22",))], PLAIN)
    assert masked.turns[1].bubbles == ("[password]",)
    assert masked.mostly == (False, True)


def test_turn_with_more_words_than_secrets_is_not_mostly_private() -> None:
    text = "слушай, запиши на всякий случай, пароль от вайфая sunny2020, приедешь - подключишься"
    assert mask_turns([Turn(True, (text,))], PLAIN).mostly == (False,)


def test_beginning_of_a_conversation_is_masked_as_it_is_in_the_whole() -> None:
    turns = [
        Turn(number % 2 == 1, (text,))
        for number, text in enumerate(
            ("привет", "паспорт 4510 123456", "код?", "4821", "серия 4510", "номер 123456", "ага", "пин от карты 1234")
        )
    ]
    whole = mask_turns(turns, PLAIN).turns
    for stop in range(1, len(turns)):
        assert mask_turns(turns[:stop], PLAIN).turns == whole[:stop]


def test_turns_without_private_values_are_the_same_objects() -> None:
    turn = Turn(False, ("привет, как дела?",))
    assert mask_turns([turn], PLAIN).turns[0] is turn


def test_own_patterns_are_masked_in_every_message_and_named_where_they_fail() -> None:
    masking = Masking(patterns=(CustomPattern("projects", r"ромашк\w+"),))
    assert mask_turns([Turn(True, ("сделал ромашку",))], masking).turns[0].bubbles == ("сделал [private]",)
    with pytest.raises(ConfigError, match="The pattern projects"):
        mask_turns([Turn(True, ("a",))], Masking(patterns=(CustomPattern("projects", "("),)))


def test_names_are_masked_only_where_it_is_wanted() -> None:
    pytest.importorskip("natasha")
    turns = [Turn(True, ("Вчера видел Машу Иванову на работе",))]
    assert mask_turns(turns, PLAIN).counts == {}
    assert mask_turns(turns, Masking(names=True)).turns[0].bubbles == ("Вчера видел [name] на работе",)
