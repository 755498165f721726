"""Identifiers with letters, and plates."""

from __future__ import annotations

import pytest
from private_lines import find


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("iban de89 3704 0044 0532 0130 00 спасибо", "de89 3704 0044 0532 0130 00", "iban"),
        ("GB29NWBK60161331926819", "GB29NWBK60161331926819", "iban"),
        ("my acc 12-34-56 12345678", "12-34-56 12345678", "account"),
        ("серия: 4510\nномер: 654321", "4510\nномер: 654321", "passport"),
        ("passport no C01X00T47", "C01X00T47", "passport"),
        ("nino AB 12 34 56 C", "AB 12 34 56 C", "foreign_id"),
        ("dni 12345678Z", "12345678Z", "foreign_id"),
        ("номер а123вс77", "а123вс77", "plate"),
        ("о 777 оо 799", "о 777 оо 799", "plate"),
        ("my car's plate is AB12 CDE", "AB12 CDE", "plate"),
        ("АА1234ВВ", "АА1234ВВ", "plate"),
    ],
)
def test_identifier_has_its_kind(text: str, value: str, kind: str) -> None:
    assert find(text) == [(value, kind)]


@pytest.mark.parametrize("text", ["iso 27001", "а123вс", "be12 and so on", "GB29NWBK60161331926810", "к100ме"])
def test_likeness_alone_is_not_enough(text: str) -> None:
    assert find(text) == []
