"""Who may see how the server is: loopback, the networks of METRICS_ALLOW, and processes of our own."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from reaktor.config.model import IpNetwork
from reaktor.web.scope import Scope, came_privately, header

_FORWARDED = (b"x-forwarded-for", b"forwarded")


def is_insider(scope: Scope, allow: Iterable[IpNetwork]) -> bool:
    """Whether this request's client (as reaktor.cluster.daphne resolved it) may.

    Being on this machine counts only without a word of forwarding: a proxy here that nobody declared as trusted would
    make an insider of the whole world.
    """
    if came_privately(scope):
        return True
    try:
        address = ipaddress.ip_address(scope["client"][0])
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if any(address.version == network.version and address in network for network in allow):
        return True
    return address.is_loopback and all(header(scope, name) is None for name in _FORWARDED)
