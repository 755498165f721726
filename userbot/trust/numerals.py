"""Numbers in words, Russian and English, as digits: `сорок семь одиннадцать`, `four seven one one`."""

from __future__ import annotations

from functools import cache

_RUSSIAN = {
    0: "ноль нуль нуля ноля нулевой", 1: "один одна одно одного одной первый первого первое единица раз",
    2: "два две двух двойка второй второго второе", 3: "три трех трёх тройка третий третьего третье",
    4: "четыре четырех четырёх четверка четверку четвертый четвертого четвертое",
    5: "пять пяти пятерка пятый пятого пятое",
    6: "шесть шести шестерка шестой шестого шестое", 7: "семь семи семерка семерки седьмой седьмого седьмое",
    8: "восемь восьми восьмерка восьмой восьмого восьмое", 9: "девять девяти девятка девятый девятого девятое",
}  # fmt: skip
_ENGLISH = {
    0: "zero oh nought null", 1: "one first", 2: "two second", 3: "three third", 4: "four fourth", 5: "five fifth",
    6: "six sixth", 7: "seven seventh", 8: "eight eighth", 9: "nine ninth",
}  # fmt: skip
_TEENS = {
    10: "десят ten tenth", 11: "одиннадцат eleven eleventh", 12: "двенадцат twelve twelfth",
    13: "тринадцат thirteen thirteenth", 14: "четырнадцат fourteen fourteenth", 15: "пятнадцат fifteen fifteenth",
    16: "шестнадцат sixteen sixteenth", 17: "семнадцат seventeen seventeenth", 18: "восемнадцат eighteen eighteenth",
    19: "девятнадцат nineteen nineteenth", 20: "двадцат twenty twentieth", 30: "тридцат thirty thirtieth",
    40: "сорок сорока forty", 50: "пятьдесят пятидесяти fifty", 60: "шестьдесят шестидесяти sixty",
    70: "семьдесят семидесяти seventy", 80: "восемьдесят восьмидесяти eighty", 90: "девяносто девяноста ninety",
    100: "сто ста", 200: "двести двухсот", 300: "триста трехсот", 400: "четыреста четырехсот", 500: "пятьсот пятисот",
    600: "шестьсот шестисот", 700: "семьсот семисот", 800: "восемьсот восьмисот", 900: "девятьсот девятисот",
}  # fmt: skip
_ENDINGS = ("ь", "и", "ый", "ого", "ое", "ью")


@cache
def _words() -> dict[str, int]:
    values = {}
    for table in (_RUSSIAN, _ENGLISH, _TEENS):
        for value, words in table.items():
            for word in words.split():
                values[word] = value
                if word.endswith("ат"):
                    values.update({word + ending: value for ending in _ENDINGS})
    # Text is compared without the accents of й and ё.
    return {word.replace("ё", "е").replace("й", "и"): value for word, value in values.items()}


def read_numeral(word: str) -> int | None:
    """Return the value of a numeral of one word, below 1000, or None; `read_scale` knows `hundred` and `thousand`."""
    return _words().get(word)


def read_scale(word: str) -> int | None:
    """Return what a word multiplies the number before it by, or None."""
    if word in ("hundred", "hundreds"):
        return 100
    return 1000 if word in ("тысяча", "тысячи", "тысяч", "тысячу", "thousand", "thousands") else None


def write_digits(values: list[int | None]) -> str:
    """Write numerals that follow each other as one string of digits: `[47, 11]` is `4711`, `[40, 7]` is `47`.

    Args:
        values: Numerals; None stands for a thousand, after what it multiplies.
    """
    out, total, group, room = "", 0, 0, 0
    for value in values:
        if value is None:
            total, group, room = (group or 1) * 1000, 0, 1000
        elif room and value < room and value:
            group += value
            room = _room(value)
        else:
            out += str(total + group) if room or group else ""
            total, group, room = 0, value, _room(value)
            if value == 0:
                out, group = out + "0", 0
    return out + (str(total + group) if room or group or total else "")


def _room(value: int) -> int:
    """Return below what the next numeral must be to add to this one, 0 where it begins another number."""
    if value >= 100:
        return 100
    return 10 if value >= 20 and value % 10 == 0 else 0
