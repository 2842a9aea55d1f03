"""Slots as the supervisor keeps them, and when a worker that died is started again.

A slot is a place for a worker: its number is stable, the workers in it come and go as incarnations.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from reaktor.cluster.worker_process import WorkerProcess, WorkerState

# A worker that lived this long has earned an immediate restart.
SETTLED_S = 10.0
GAVE_UP_RETRY_S = 30.0


@dataclass
class Slot:
    """`current` serves; `incoming` boots to take over from it; `restart_at` says when the next one is started.

    `is_routed`: addresses are spread over it, whether it serves right now or not. `is_retiring`: it goes when its last
    worker has. `gave_up`: why its workers can't boot, while others serve.
    """

    number: int
    is_routed: bool
    incarnation: int = 0
    current: WorkerProcess | None = None
    incoming: WorkerProcess | None = None
    restart_at: float | None = None
    is_retiring: bool = False
    gave_up: str = ""
    boot_failures: int = 0
    quick_deaths: int = 0

    @property
    def is_serving(self) -> bool:
        return self.current is not None and self.current.state is WorkerState.READY

    def backoff_s(self, worker: WorkerProcess, now: float, shortest_s: float, longest_s: float) -> float:
        """Seconds until the successor of a dead worker; counts the deaths that came too soon."""
        if not worker.was_ready:
            self.boot_failures += 1
            failures = self.boot_failures
        else:
            self.boot_failures = 0
            self.quick_deaths = self.quick_deaths + 1 if now - worker.started_at < SETTLED_S else 0
            failures = self.quick_deaths
        return min(shortest_s * 2 ** (failures - 1), longest_s) if failures else 0.0


@dataclass
class Slots:
    """All slots by number, and every worker that still lives, the draining ones included.

    A slot that was scaled away goes on counting where it left off when it comes again: to the rest of the cluster a
    (slot, incarnation) that has died once is dead for good.
    """

    by_number: dict[int, Slot] = field(default_factory=dict)
    workers: set[WorkerProcess] = field(default_factory=set)
    _forgotten: dict[int, int] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Slot]:
        return iter(sorted(self.by_number.values(), key=lambda slot: slot.number))

    def ensure(self, number: int, is_routed: bool) -> Slot:
        """The slot of that number, made when it isn't there; a retiring one is kept after all."""
        slot = self.by_number.get(number)
        if slot is None:
            slot = self.by_number[number] = Slot(number, is_routed, self._forgotten.pop(number, 0))
        slot.is_retiring = False
        return slot

    @property
    def routed(self) -> list[int]:
        return [slot.number for slot in self if slot.is_routed]

    @property
    def wanted(self) -> list[Slot]:
        return [slot for slot in self if not slot.is_retiring]

    @property
    def is_anyone_serving(self) -> bool:
        return any(slot.is_serving for slot in self)

    @property
    def is_everyone_serving(self) -> bool:
        """Whether each wanted slot serves, or has been given up."""
        return all(slot.is_serving or slot.gave_up for slot in self.wanted)

    def forget_retired(self) -> None:
        """Drop slots that were scaled away and whose last worker has gone."""
        alive = {worker.slot for worker in self.workers}
        for slot in list(self):
            if slot.is_retiring and slot.number not in alive:
                self._forgotten[slot.number] = slot.incarnation
                del self.by_number[slot.number]
