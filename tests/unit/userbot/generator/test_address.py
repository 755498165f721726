"""Prompts leave this machine sealed or not at all, unless the owner trusts the local network."""

from __future__ import annotations

import pytest

from userbot.domain.errors import ConfigError
from userbot.generator.address import check_address


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1:8000", "127.8.9.10", "localhost", "LOCALHOST:1", "model.localhost", "[::1]:8000", "[::ffff:127.0.0.1]"],
)
def test_this_machine_may_be_asked_by_http(host: str) -> None:
    assert check_address(f"http://{host}/v1") is None
    assert check_address(f"https://{host}/v1") is None


@pytest.mark.parametrize(
    "host",
    [
        "example.org", "8.8.8.8", "localhost.example.org", "127.0.0.1.example.org", "127.0.0.1@example.org", "0.0.0.0",  # noqa: S104  # an address to refuse
        "[::]", "[2001:db8::1]", "10.0.0.5.example.org", "172.32.0.1", "a.b", "2130706433",
    ],
)  # fmt: skip
@pytest.mark.parametrize("plain_http_in_lan", [False, True])
def test_other_machine_may_not_be_asked_by_http(host: str, plain_http_in_lan: bool) -> None:
    with pytest.raises(ConfigError, match="begins with http, so everyone on the way could read your chats"):
        check_address(f"http://{host}/v1", plain_http_in_lan=plain_http_in_lan)


@pytest.mark.parametrize(
    "host",
    ["192.168.1.7:8000", "10.1.2.3", "172.16.0.1", "[fd00::7]", "[fe80::1]", "gpu-box", "gpu.local", "vllm:8000"],
)
def test_local_network_needs_the_owners_word(host: str) -> None:
    with pytest.raises(ConfigError, match="CLONE_TRUST__PLAIN_HTTP_IN_LAN=true"):
        check_address(f"http://{host}/v1")
    assert check_address(f"http://{host}/v1", plain_http_in_lan=True) is not None


def test_sealed_connection_names_the_host_that_gets_the_words() -> None:
    assert check_address("https://vera:pass@Models.Example.org:8443/v1") == "models.example.org"


@pytest.mark.parametrize(
    "url", ["", "models/v1", "ftp://127.0.0.1/v1", "unix:///run/model", "http://", "http://[::1/v1"]
)
def test_what_is_no_address_is_refused_without_quoting_it(url: str) -> None:
    with pytest.raises(ConfigError, match="holds no address of a server"):
        check_address(url)


def test_login_of_an_address_is_in_no_error() -> None:
    with pytest.raises(ConfigError) as caught:
        check_address("http://vera:hunter2@example.org/v1")
    assert "vera" not in str(caught.value) and "hunter2" not in str(caught.value)
