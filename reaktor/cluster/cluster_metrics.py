"""The whole cluster's figures, added up in the supervisor from the workers' beats.

What a worker had counted when it ended is kept with its slot, so that no sum goes backwards when the next incarnation
begins at nothing. Serves /metrics of any worker, over the control socket. Knows names of its own only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from reaktor.cluster.worker_process import WorkerProcess, WorkerState, revision_lag
from reaktor.observe.memory import rss_bytes
from reaktor.observe.metrics import Metrics, added, lasting


class ClusterMetrics:
    """retire() for each worker that is gone; picture() for each question."""

    def __init__(self) -> None:
        self._ended: dict[int, Metrics] = {}

    def retire(self, worker: WorkerProcess, *, is_expected: bool) -> None:
        """Keep what the worker had counted, and that it ended."""
        crashed = {"counters": {"worker_crashes": 0 if is_expected else 1}}
        before = self._ended.get(worker.slot, {})
        self._ended[worker.slot] = added([before, lasting(worker.metrics), crashed])

    def of_slots(self, workers: set[WorkerProcess], authority: Mapping[str, Any]) -> dict[str, Metrics]:
        """The metrics of each slot that ever had a worker, all its incarnations together."""
        found = {}
        for slot in sorted({*self._ended, *(worker.slot for worker in workers)}):
            mine = [worker for worker in workers if worker.slot == slot]
            own = [_of_worker(worker, authority) for worker in mine]
            found[str(slot)] = added([{"counters": {"worker_crashes": 0}}, self._ended.get(slot, {}), *own])
        return found

    def picture(
        self,
        workers: set[WorkerProcess],
        incarnations: Mapping[int, int],
        authority: Mapping[str, Any],
        connections: Mapping[str, int],
    ) -> dict[str, Any]:
        """{"workers": {slot: Metrics}, "server": Metrics}: what reaktor.observe.exposition writes out."""
        found = self.of_slots(workers, authority)
        for slot, incarnation in incarnations.items():
            found.setdefault(str(slot), added([]))["counters"]["worker_restarts"] = max(incarnation - 1, 0)
        server = {
            "counters": {f"connections_{name}": connections[name] for name in ("accepted", "passed", "refused")},
            "gauges": {
                "connections_waiting": connections["waiting"],
                "supervisor_memory_bytes": rss_bytes(os.getpid()) or 0,
            },
        }
        return {"workers": found, "server": added([server, authority.get("metrics", {})])}


def _of_worker(worker: WorkerProcess, authority: Mapping[str, Any]) -> Metrics:
    is_ready = worker.state is WorkerState.READY
    gauges = {"workers_ready": int(is_ready), "memory_bytes": rss_bytes(worker.pid) or 0}
    if is_ready and (lag := revision_lag(worker.status, authority)) is not None:
        # A beat may be younger than what the authority knew a moment ago.
        gauges["replica_lag"] = max(lag, 0)
    return added([worker.metrics, {"gauges": gauges}])
