"""Numbers are told apart by form, check digits and the nearest word."""

from __future__ import annotations

import pytest
from private_lines import find


@pytest.mark.parametrize(
    ("text", "value", "kind"),
    [
        ("скинь на карту сбера по номеру 89161234567", "89161234567", "phone"),
        ("позвони 8 (916) 123-45-67", "8 (916) 123-45-67", "phone"),
        ("тел89031112233", "89031112233", "phone"),
        ("79161234567", "79161234567", "phone"),
        ("call +44 7700 900123", "+44 7700 900123", "phone"),
        ("карта 2202 2032 1234 5678", "2202 2032 1234 5678", "card"),
        ("р/с 40817810099910004312", "40817810099910004312", "account"),
        ("паспорт 4510 123456", "4510 123456", "passport"),
        ("загран\n721234567", "721234567", "passport"),
        ("112-233-445 95", "112-233-445 95", "snils"),
        ("мой инн 500100732259", "500100732259", "inn"),
        ("my ssn: 219099999", "219099999", "foreign_id"),
        ("песель 44051401359", "44051401359", "foreign_id"),
        ("юмани 410011234567890", "410011234567890", "wallet"),
    ],
)
def test_number_has_its_kind(text: str, value: str, kind: str) -> None:
    assert find(text) == [(value, kind)]


def test_each_of_several_numbers_has_the_kind_of_the_word_nearest_to_it() -> None:
    found = find("паспорт 4510 123456, снилс 11223344595, инн 500100732259, тел 89161234567")
    assert [kind for _, kind in found] == ["passport", "snils", "inn", "phone"]


@pytest.mark.parametrize(
    "text",
    [
        "заказ 89161234567 в пути",
        "трек 80084012345678",
        "192.168.100.100",
        "55.751244, 37.618423",
        "1 000 000 рублей",
        "8 9 10 11 12 13 14",
        "https://shop.ru/item/79161234567/1",
        "в 2024 было 365 дней",
        "ISBN 978-5-17-118366-1",
    ],
)
def test_other_numbers_are_left_alone(text: str) -> None:
    assert find(text) == []
