"""Who a client is, by its address: how an address is read and written, whose word about it counts, what limits group.

Used by the dispatcher, the server, the limits and whoever asks for networks in the settings. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

_IPV6_SITE_BITS = 64
LONGEST_ADDRESS = 45
KEPT_GROUPS = 10_000
"""Addresses of which it is remembered what they are and count as: every request asks, and reading one takes 10 µs."""


def parse_address(text: str) -> IpAddress | None:
    """The address in `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80`, `fe80::1%eth0`; None for junk.

    An IPv4 address that came over a dual-stack socket (`::ffff:192.0.2.1`) is given as IPv4.
    """
    host = text.strip().strip('"')
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    host = host.partition("%")[0]
    return _read_address(host) if len(host) <= LONGEST_ADDRESS else None


@lru_cache(maxsize=KEPT_GROUPS)
def _read_address(host: str) -> IpAddress | None:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address


def read_endpoint(text: str) -> tuple[str, int]:
    """(address, port) of `192.0.2.1:80` or `[2001:db8::1]:80`. Raises ValueError."""
    host, colon, port = text.strip().rpartition(":")
    if host.startswith("[") != host.endswith("]") or (":" in host) != host.startswith("["):
        raise ValueError(f"{text!r} is no address and port")
    if not colon or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65_536:
        raise ValueError(f"{text!r} has no port")
    return str(ipaddress.ip_address(host.strip("[]"))), int(port)


def normalise(host: str) -> str:
    """One spelling for each address; what is none (the path of a Unix socket) stays as it is."""
    address = parse_address(host)
    return host if address is None else str(address)


def is_trusted(address: IpAddress, trusted: Iterable[IpNetwork]) -> bool:
    """Whether an address is one of our own proxies."""
    return any(address in network for network in trusted)


def client_address(peer: str, forwarded_for: str, trusted: Sequence[IpNetwork]) -> str:
    """The client's address: the peer's, or what our own proxies say about it.

    `forwarded_for` is the joined X-Forwarded-For header. It is read from the right, where our proxies append, and only
    for as long as the address to the right of an entry is a trusted proxy: whatever a client wrote there itself
    stays unread. An entry that is no address ends the walk at the last one known.
    """
    found = parse_address(peer)
    if found is None:
        return peer
    for entry in reversed(forwarded_for.split(",")):
        if not is_trusted(found, trusted):
            break
        said = parse_address(entry)
        if said is None:
            break
        found = said
    return str(found)


@lru_cache(maxsize=KEPT_GROUPS)
def address_group(address: str) -> str:
    """What limits per address count: an IPv4 address, or the /64 that one IPv6 site has to itself."""
    parsed = parse_address(address)
    if not isinstance(parsed, ipaddress.IPv6Address):
        return address
    return str(ipaddress.ip_network((parsed, _IPV6_SITE_BITS), strict=False))


_TUNNELS = tuple(ipaddress.ip_network(text) for text in ("64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32"))
"""IPv6 networks whose addresses hold an IPv4 address, which may be any."""


def is_public(address: IpAddress) -> bool:
    """Whether the address is one host on the internet: not of this machine or network, reserved, or for many."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address.is_site_local or any(address in network for network in _TUNNELS):
            return False
    return address.is_global and not (address.is_multicast or address.is_reserved or address.is_unspecified)
