"""The other hosts of the cluster, as far as a worker relays to them: which live, where they listen, which answer.

tell() says who lives, about once a second at most; may_try() is asked before each request, and succeeded() or failed()
said after it. Pure: times are seconds of the caller's clock.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

TRY_S = 2.0
"""How long one host may take to let a request in."""
REFUSE_S = 1.0
"""How long a host that did not is not asked again."""


@dataclass(slots=True)
class Neighbour:
    """One life of a host that lives, and where it listens for other hosts. `quiet_until`: it is not asked before.

    0: it answers.
    """

    number: int
    life: int
    address: str
    port: int
    quiet_until: float = 0.0

    def may_try(self, now: float) -> bool:
        """Whether to ask it. Of a host that did not answer, one request asks, and the others are refused meanwhile."""
        if not self.quiet_until:
            return True
        if now < self.quiet_until:
            return False
        self.quiet_until = now + TRY_S
        return True

    def succeeded(self) -> None:
        """It let a request in, or said why it does not: it lives."""
        self.quiet_until = 0.0

    def failed(self, now: float) -> None:
        """It did not answer in time, or could not be reached."""
        self.quiet_until = now + REFUSE_S


class Neighbours:
    """Those that a worker knows of, by number."""

    def __init__(self) -> None:
        self._known: dict[int, Neighbour] = {}

    def tell(self, hosts: Iterable[tuple[int, int, str, int]]) -> list[Neighbour]:
        """These live: (number, life, address, port) of each. Returns those that did and do no more."""
        known: dict[int, Neighbour] = {}
        for number, life, address, port in hosts:
            before = self._known.get(number)
            is_same = before is not None and (before.life, before.address, before.port) == (life, address, port)
            known[number] = before if before is not None and is_same else Neighbour(number, life, address, port)
        gone = [host for number, host in self._known.items() if known.get(number) is not host]
        self._known = known
        return gone

    def find(self, number: int, life: int) -> Neighbour | None:
        """That life of that host; None: it is over, or nothing can be relayed to it."""
        found = self._known.get(number)
        return found if found is not None and found.life == life else None
