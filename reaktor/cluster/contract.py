"""What a worker needs from the application that it serves: an ASGI callable, and a runtime to run beside it.

The module named by `--app` (default reaktor.asgi) provides `application` and `create_runtime(place)`; that of a process
that is the whole server provides `application` and `create_lone_runtime()`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from reaktor.cluster.address_counts import AddressCounts


class Home(NamedTuple):
    """A host by its number, and which life of it: what names all that runs there now."""

    host: int
    life: int


NO_HOME = Home(0, 0)
"""Of what has none yet."""


class Neighbour(NamedTuple):
    """Another host that lives, and where it takes requests that are relayed to it."""

    host: int
    life: int
    address: str
    port: int


class Place(NamedTuple):
    """What names one worker among all of the cluster: its host and that one's life, its slot, its incarnation."""

    host: int
    life: int
    slot: int
    incarnation: int

    @property
    def home(self) -> Home:
        return Home(self.host, self.life)

    @property
    def local_name(self) -> str:
        """What it is called on its host."""
        return f"{self.slot}.{self.incarnation}"


class WorkerRuntime(Protocol):
    """The application's own life in one worker: its tasks, its replica, its sessions."""

    async def run(self) -> None:
        """Live until cancelled; owns every task that it starts. Returning or raising ends the worker."""

    async def wait_ready(self) -> None:
        """Return when connections may come (the replica holds a snapshot)."""

    async def drain(self, seconds: float) -> None:
        """Say goodbye to every session, spread so that they don't all come back at once, and flush.

        Returns when done, at the latest after `seconds`; called once.
        """

    def share_counts(self, counts: AddressCounts) -> None:
        """This is how many connections each address holds here; called once, before run()."""

    def tell_hosts(self, hosts: Sequence[Neighbour]) -> None:
        """These other hosts live and take relayed requests; called when they are others than before."""

    def status(self) -> dict[str, Any]:
        """What goes into each beat, JSON-ready and quick to make.

        Known keys: sessions, epoch, revision, digest, messages_in, messages_out (counters since the start), and
        metrics (reaktor.observe.metrics), which the supervisor adds up without knowing what they mean.
        """
