"""Street addresses."""

from __future__ import annotations

import pytest
from private_lines import find, find_with

from userbot.trust.detectors.addresses import find_addresses


@pytest.mark.parametrize(
    "text",
    [
        "живу на ленина 45 кв 12",
        "ул. Садовая, д. 7, кв. 31",
        "едь на садовую 12",
        "Тверская ул., 7",
        "i live at 12 Elm Road",
        "come to 221b baker street",
        "send to 742 Evergreen Terrace, Springfield",
        "Hauptstraße 12",
    ],
)
def test_address_is_found(text: str) -> None:
    assert [kind for _, kind in find(text)] == ["address"]


def test_town_and_flat_belong_to_it() -> None:
    text = "доставка: г. Москва, ул. Лесная, д. 5, кв. 17, подъезд 2"
    assert find_with(find_addresses, text)[0] == "г. Москва, ул. Лесная, д. 5, кв. 17, подъезд 2"


@pytest.mark.parametrize(
    "text",
    [
        "улица пустая",
        "квартира 45 метров",
        "на 5 этаже",
        "10 minute drive",
        "he lives on main street",
        "пробка 9 баллов",
    ],
)
def test_street_or_number_alone_is_none(text: str) -> None:
    assert find(text) == []
