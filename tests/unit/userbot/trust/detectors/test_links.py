"""Mail addresses and links that let in."""

from __future__ import annotations

import pytest
from private_lines import find


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("почта Ivan.Petrov+a@Mail.ru, пиши", "Ivan.Petrov+a@Mail.ru"),
        ("ivan собака yandex точка ru", "ivan собака yandex точка ru"),
        ("john dot smith at gmail dot com", "john dot smith at gmail dot com"),
        ("директор@компания.рф", "директор@компания.рф"),
    ],
)
def test_mail_address_is_found(text: str, value: str) -> None:
    assert find(text) == [(value, "email")]


@pytest.mark.parametrize(
    "url",
    [
        "https://t.me/+AbCdEf123456",
        "t.me/joinchat/AAAAAE1234567",
        "https://discord.gg/x7Yz9k",
        "https://us02web.zoom.us/j/81234567890?pwd=a1B2c3",
        "https://site.com/reset?token=8f7a6b5c4d3e",
        "https://user:pass1@host.ru/db",
        "vless://8a9b-1234@1.2.3.4:443?security=tls",
        "https://docs.google.com/document/d/1A2b3C4d5E6f7G8h9I0j/edit",
    ],
)
def test_link_that_lets_in_is_found_without_the_full_stop_behind_it(url: str) -> None:
    assert find(f"вот {url}.") == [(url, "secret_url")]


@pytest.mark.parametrize(
    "text",
    ["https://youtube.com/watch?v=dQw4w9WgXcQ", "t.me/durov", "@durov привет", "https://a.ru/?utm_source=tg&id=12345"],
)
def test_open_link_is_left_alone(text: str) -> None:
    assert find(text) == []
