"""Hosts on one machine: network namespaces around a switch, and ways between them that can be cut.

Each member has a namespace and an address of its own, and reaches the others through the switch, another namespace that
routes. A rule of the switch cuts two members off each other, and nobody else. Linux, as root, with iproute2.
"""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

NETWORKS = ipaddress.ip_network("198.18.0.0/16")
"""Set apart for tests (RFC 2544), so no real host is hidden by ours."""
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


class RefusedError(Exception):
    """There can be no such network here; why, in a sentence."""


@dataclass(frozen=True, slots=True)
class Member:
    """`enter`: the words before a command that is to run there."""

    name: str
    address: str
    enter: tuple[str, ...]


class Network:
    """network() makes one. `outside` is this process' own namespace, which reaches the members, too."""

    def __init__(self, number: int) -> None:
        self._switch = f"reaktor-{number}"
        self._link = f"reaktor{number}"
        subnet = ipaddress.ip_network((int(NETWORKS.network_address) + 256 * number, 24))
        self._pairs = subnet.subnets(new_prefix=30)
        self._namespaces = [self._switch]
        self._subnet = str(subnet)
        self.outside = Member("outside", "", ())

    def set_up(self) -> None:
        """The switch, and our own way to it."""
        _ip("-n", self._switch, "link", "set", "lo", "up")
        _run(*_enter(self._switch), "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")
        gateway, address = self._join(self._link, self._link)
        _ip("addr", "add", f"{address}/30", "dev", self._link)
        _ip("link", "set", self._link, "up")
        _ip("route", "add", self._subnet, "via", gateway)
        self.outside = Member("outside", address, ())

    def add(self, name: str) -> Member:
        namespace = f"{self._switch}-{name}"
        _ip("netns", "add", namespace)
        self._namespaces.append(namespace)
        gateway, address = self._join(name, "eth0", namespace)
        for words in (
            ("link", "set", "lo", "up"),
            ("addr", "add", f"{address}/30", "dev", "eth0"),
            ("link", "set", "eth0", "up"),
            ("route", "add", "default", "via", gateway),
        ):
            _ip("-n", namespace, *words)
        return Member(name, address, _enter(namespace))

    def _join(self, theirs: str, name: str, namespace: str = "") -> tuple[str, str]:
        """A cable between the switch and a namespace (empty: ours): the addresses of both ends."""
        gateway, address = map(str, next(self._pairs).hosts())
        place = ("netns", namespace) if namespace else ()
        _ip("link", "add", "name", theirs, "netns", self._switch, "type", "veth", "peer", "name", name, *place)
        _ip("-n", self._switch, "addr", "add", f"{gateway}/30", "dev", theirs)
        _ip("-n", self._switch, "link", "set", "dev", theirs, "up")
        return gateway, address

    def cut(self, one: Member, other: Member, *, is_silent: bool) -> None:
        """From now on nothing passes between the two. Silent: packets vanish; else each is answered with a refusal."""
        for words in _ways(one, other):
            _ip("-n", self._switch, "rule", "add", *words, "blackhole" if is_silent else "prohibit")

    def heal(self, one: Member, other: Member) -> None:
        """Undo cut()."""
        for words in _ways(one, other):
            _ip("-n", self._switch, "rule", "del", *words)

    def tear_down(self) -> None:
        """Whoever runs in it is ended by who started it. May be repeated, and after a set_up() that failed."""
        with suppress(RefusedError):
            _ip("link", "del", self._link)
        for namespace in reversed(self._namespaces):
            with suppress(RefusedError):
                _ip("netns", "del", namespace)


@contextmanager
def network() -> Iterator[Network]:
    """A network of nobody but the switch and us, gone at the end of the block. Raises RefusedError."""
    found = Network(_claim())
    try:
        found.set_up()
        yield found
    finally:
        found.tear_down()


def _claim() -> int:
    """The number of a network that nobody has: the namespace of its switch is ours now."""
    if os.geteuid():
        raise RefusedError("Network namespaces are made by root alone: run it as root.")
    if shutil.which("ip", path=PATH) is None or shutil.which("nsenter", path=PATH) is None:
        raise RefusedError("Network namespaces need the commands ip (iproute2) and nsenter (util-linux).")
    for number in range(256):
        try:
            _ip("netns", "add", f"reaktor-{number}")
        except RefusedError as error:
            if "File exists" not in str(error):
                raise
        else:
            return number
    raise RefusedError("256 networks of ours are there already: ip netns list")


def _ways(one: Member, other: Member) -> list[tuple[str, ...]]:
    pairs = ((one, other), (other, one))
    return [("from", here.address, "to", there.address) for here, there in pairs]


def _enter(namespace: str) -> tuple[str, ...]:
    return ("nsenter", f"--net=/run/netns/{namespace}")


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*words: str) -> None:
    environment = {**os.environ, "PATH": PATH}
    done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False, env=environment)
    if done.returncode:
        raise RefusedError(f"The kernel refuses a network of namespaces: {' '.join(words)}: {done.stderr.strip()}")
