"""Who may see how the server is: loopback, the networks of METRICS_ALLOW, and processes of our own."""

from __future__ import annotations

from collections.abc import Iterable

from reaktor.addresses import IpNetwork, parse_address
from reaktor.web.scope import Scope, came_privately, header

_FORWARDED = (b"x-forwarded-for", b"forwarded")


def is_insider(scope: Scope, allow: Iterable[IpNetwork]) -> bool:
    """Whether this request's client (as reaktor.cluster.daphne resolved it) may.

    Being on this machine counts only without a word of forwarding: a proxy here that nobody declared as trusted would
    make an insider of the whole world.
    """
    if came_privately(scope):
        return True
    address = parse_address(scope["client"][0])
    if address is None:
        return False
    if any(address in network for network in allow):
        return True
    return address.is_loopback and all(header(scope, name) is None for name in _FORWARDED)
