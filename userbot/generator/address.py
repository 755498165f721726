"""Where prompts may go: an unencrypted connection stays on this machine, unless the owner allows the local network."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

from userbot.domain.errors import ConfigError

LAN_NETWORKS: tuple[IPv4Network | IPv6Network, ...] = tuple(
    map(ip_network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "fc00::/7", "fe80::/10"))
)
"""Addresses that no router of the internet forwards. Source: RFC 1918, 3927, 4193, 4291."""

LAN_ENDINGS = (".local", ".lan", ".internal", ".home.arpa", ".localdomain")
"""Endings of names that only a local network knows; a name without any dot is one, too."""


def check_address(url: str, *, plain_http_in_lan: bool = False) -> str | None:
    """Make sure that prompts, and the key, can be sent to a model server; no name is looked up.

    Args:
        url: Address of the server; a login in it is never shown.
        plain_http_in_lan: Allow http to private addresses, and to names of the local network.

    Returns:
        The host to which the words of chats leave this machine; None where they stay.

    Raises:
        ConfigError: The connection could be read on its way, or the address can't be read.
    """
    try:
        parts = httpx.URL(url)  # the parser that will also send, so that both mean the same host
        host = parts.host.rstrip(".").lower()
    except httpx.InvalidURL:
        host, parts = "", httpx.URL("")
    if not host or parts.scheme not in ("http", "https"):
        raise ConfigError(
            "CLONE_GENERATOR__URL or CLONE_GENERATOR__FALLBACK_URLS holds no address of a server. "
            "Write it like http://127.0.0.1:8000/v1 or https://HOST/v1"
        )
    if is_loopback(host):
        return None
    if parts.scheme == "https" or (plain_http_in_lan and is_lan(host)):
        return host
    lan = " Or trust your network: CLONE_TRUST__PLAIN_HTTP_IN_LAN=true" if is_lan(host) else ""
    raise ConfigError(
        f"The model server {host} is on another machine and its address begins with http, so everyone on the way could "
        f"read your chats and the key. Use https, or a tunnel to 127.0.0.1, such as "
        f"`ssh -L 8000:127.0.0.1:8000 {host}`, in CLONE_GENERATOR__URL and CLONE_GENERATOR__FALLBACK_URLS.{lan}"
    )


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine: `localhost`, 127.0.0.0/8 or ::1. 0.0.0.0 is not: it means any interface."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    address = _read_address(host)
    return address is not None and address.is_loopback


def is_lan(host: str) -> bool:
    """Tell whether a host is on a private network, by its address or by the form of its name."""
    address = _read_address(host)
    if address is not None:
        return any(address.version == network.version and address in network for network in LAN_NETWORKS)
    return host.endswith(LAN_ENDINGS) or ("." not in host and ":" not in host and any(map(str.isalpha, host[:1])))


def _read_address(host: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
