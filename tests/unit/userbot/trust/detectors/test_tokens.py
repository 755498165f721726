"""Keys, seed phrases and wallets."""

from __future__ import annotations

import pytest
from private_lines import find

SEED = "legal winner thank year wave sausage worth useful legal winner thank yellow"


@pytest.mark.parametrize(
    "value",
    [
        "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw0",
        "sk-proj-a8Fh2kLmN0pQrS7tUvWxYz12",
        "ghp_16C7e42F292c6912E7710c838347Ae178B4a",
        "AKIAIOSFODNN7EXAMPLE",
        "VK7JG-NPHTM-C97JM-9MPGT-3V66T",
        SEED,
    ],
)
def test_key_is_found_by_its_form(value: str) -> None:
    assert find(f"держи {value}") == [(value, "secret_key")]


def test_private_key_is_found_whole() -> None:
    text = "-----BEGIN RSA PRIVATE KEY-----\nMIIEowIBAAKCAQEA\n-----END RSA PRIVATE KEY-----"
    assert find(text) == [(text, "secret_key")]


def test_random_word_needs_a_word_that_names_it() -> None:
    word = "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"
    assert find(f"secret: {word}") == [(word, "secret_key")]
    assert find(f"commit {word}") == []


@pytest.mark.parametrize(
    "value",
    [
        "0x52908400098527886E0F7030069857D2E4169EE7",
        "bc1qar0srrr7xfkvy5l643lydnw9re59gtzzwf5mdq",
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "TXYZopYRdj2D9XRtbG411XZZ3kM5VkAeBf",
    ],
)
def test_wallet_is_found(value: str) -> None:
    assert find(f"кошелек {value}") == [(value, "wallet")]


def test_english_sentence_is_no_seed_phrase() -> None:
    assert find("i think that we should really go there again before the summer comes to an end") == []
