"""Words are compared whatever they are written like."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from userbot.trust.normalise import clean, fold, fold_all


@pytest.mark.parametrize(
    "words",
    [
        "Рексик Рексика Рексику Рексиком Reksik Reksika Рeкcик R3ksik Rексик",
        "Милолика Милолику Милоликой Милолике Milolika",
        "Артём Артема Артёмом Artem Artyom",
        "Павел Павла Павлу Pavel",
        "Андрей Андрея Андреем Andrey Andrei",
        "Юлия Юлии Юлией Yulia Julia",
        "Щербаков Щербакову Shcherbakov Scherbakov",
        "Хельга Хельгой Helga Khelga",
        "Wilhelmina Вильгельмина Вильгельмины",
        "Рекс Рекса Reks Rex PEKC",
        "bluebird bluebirds Bluebird Bl\u00fcebird",
    ],
)
def test_one_word_has_one_form_in_common(words: str) -> None:
    first, *others = (fold_all(clean(word)) for word in words.split())
    assert [word for word, forms in zip(words.split()[1:], others, strict=True) if not first & forms] == []


@pytest.mark.parametrize("other", ["Марина", "Рената", "Борис", "window", "Реклама"])
def test_other_words_have_other_forms(other: str) -> None:
    assert not fold_all("Рексик") & fold_all(other)


@given(st.text(alphabet="абвгдежзиклмнопрстуфхчшыэюяabcdefghiklmnoprstuvyz", min_size=3, max_size=14), st.randoms())
def test_invisible_characters_accents_and_width_change_nothing(word: str, rng: object) -> None:
    hidden = "".join(char + "\u200b\u0301\u2060" for char in word)
    assert fold(clean(hidden)) == fold(word)
    wide = "".join(chr(ord(char) + 0xFEE0) if char.isascii() else char for char in word.upper())
    assert fold(clean(wide)) == fold(word)


@given(st.text())
def test_any_text_is_read(text: str) -> None:
    for word in clean(text).split():
        assert all(isinstance(form, str) for form in fold_all(word))
