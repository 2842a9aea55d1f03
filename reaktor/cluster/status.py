"""How the server is: gathered as plain data in the supervisor, or in the one process that is a whole server.

Both in the same shape. clusterctl shows it as a table, the admin as a page.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from reaktor.cluster.supervisor import Supervisor
from reaktor.cluster.worker_process import WorkerProcess, revision_lag
from reaktor.observe.memory import rss_bytes

COLUMNS = ("slot", "pid", "inc", "age", "sessions", "lag", "msg/s", "memory", "replica", "version", "state")


_started_at = time.monotonic()


class LoneRuntime(Protocol):
    """The runtime of a server that is one process."""

    worker: Any
    authority: Any
    is_draining: bool

    def status(self) -> dict[str, Any]:
        """As in reaktor.cluster.contract."""

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts: number, name, life, version, advertise, last_seen, is_alive, is_own, decides."""


def gather(
    supervisor: Supervisor,
    authority: Mapping[str, Any],
    connections: Mapping[str, int],
    hosts: Sequence[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Everything that clusterctl shows, JSON-ready. `authority`: epoch, revision, digest, sessions, as it has them;
    `hosts` as in LoneRuntime.
    """
    workers = sorted(supervisor.slots.workers, key=lambda worker: (worker.slot, worker.incarnation))
    return {
        "role": "supervisor",
        "state": "stopping" if supervisor.is_stopping else "serving" if supervisor.has_served else "starting",
        "workers_wanted": len(supervisor.slots.wanted),
        "workers": [_worker(worker, authority) for worker in workers],
        "spares": [_process(worker) for worker in supervisor.spares.workers],
        "spare_missing": supervisor.missing_spare,
        "slots_given_up": {slot.number: slot.gave_up for slot in supervisor.slots if slot.gave_up},
        "connections": dict(connections),
        "hosts": list(hosts),
        "authority": dict(authority),
    }


def gather_alone(runtime: LoneRuntime | None) -> dict[str, Any]:
    """The same of a server that is one process, this one. None: nothing runs in it yet."""
    found = {
        "role": "one process",
        "spares": [],
        "spare_missing": "",
        "slots_given_up": {},
        "connections": {},
        "hosts": [],
    }
    if runtime is None:
        return {**found, "state": "starting", "workers_wanted": 1, "workers": [], "authority": {}}
    said = runtime.status()
    authority = runtime.authority.status() if runtime.authority is not None else {}
    worker = {
        **_place(runtime.worker.slot, runtime.worker.incarnation, said, authority),
        "pid": os.getpid(),
        "state": "draining" if runtime.is_draining else "ready" if said["in_step"] else "starting",
        "age_s": round(time.monotonic() - _started_at, 1),
        "rss_bytes": rss_bytes(os.getpid()),
        "messages_per_s": None,
    }
    state = "stopping" if runtime.is_draining else "serving"
    return {
        **found,
        "state": state,
        "workers_wanted": 1,
        "workers": [worker],
        "hosts": runtime.hosts(),
        "authority": authority,
    }


def _worker(worker: WorkerProcess, authority: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **_place(worker.slot, worker.incarnation, worker.status, authority),
        **_process(worker),
        "beat_age_s": round(time.monotonic() - worker.beat_at, 1),
        "messages_per_s": round(worker.messages_per_s, 1),
    }


def _place(slot: int, incarnation: int, said: Mapping[str, Any], authority: Mapping[str, Any]) -> dict[str, Any]:
    lag = revision_lag(said, authority)
    return {
        "slot": slot,
        "incarnation": incarnation,
        "sessions": said.get("sessions", 0),
        "epoch": said.get("epoch"),
        "revision": said.get("revision"),
        "digest": said.get("digest"),
        "revision_lag": lag,
        "equals_authority": said.get("digest") == authority.get("digest") if lag == 0 else None,
        "runtime": dict(said),
    }


def _process(worker: WorkerProcess) -> dict[str, Any]:
    return {
        "pid": worker.pid,
        "state": worker.state.value,
        "age_s": round(time.monotonic() - worker.started_at, 1),
        "rss_bytes": rss_bytes(worker.pid),
    }


def as_table(status: Mapping[str, Any]) -> str:
    """The status for people."""
    rows = [COLUMNS, *map(_row, status["workers"]), *map(_spare_row, status["spares"])]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    for slot, reason in status["slots_given_up"].items():
        lines.append(f"slot {slot} is out of service: its worker {reason}")
    if reason := status.get("spare_missing"):
        lines.append(f"a spare is missing: {reason}")
    lines.append("")
    lines.append(_authority_line(status["authority"]))
    # A supervisor of the version before says nothing of hosts.
    hosts = status.get("hosts", ())
    lines += map(_host_line, hosts)
    if hosts and not any(host["decides"] for host in hosts):
        lines.append("no host decides at this moment")
    if connections := status["connections"]:
        lines.append("connections: " + ", ".join(f"{count} {name}" for name, count in connections.items()))
    return "\n".join(lines)


def _row(worker: Mapping[str, Any]) -> tuple[str, ...]:
    lag, equal = worker["revision_lag"], worker["equals_authority"]
    return (
        str(worker["slot"]),
        str(worker["pid"]),
        str(worker["incarnation"]),
        _age(worker["age_s"]),
        str(worker["sessions"]),
        "-" if lag is None else str(lag),
        "-" if worker["messages_per_s"] is None else f"{worker['messages_per_s']:g}",
        _memory(worker["rss_bytes"]),
        "behind" if equal is None else "equal" if equal else "DIFFERS",
        str(worker["runtime"].get("version", "-")),
        str(worker["state"]),
    )


def _spare_row(spare: Mapping[str, Any]) -> tuple[str, ...]:
    shown = {
        "pid": str(spare["pid"]),
        "age": _age(spare["age_s"]),
        "memory": _memory(spare["rss_bytes"]),
        "state": "spare" if spare["state"] == "spare" else f"spare, {spare['state']}",
    }
    return tuple(shown.get(column, "-") for column in COLUMNS)


def _memory(rss: int | None) -> str:
    return "-" if rss is None else f"{rss / 1024 / 1024:.0f} MiB"


def _authority_line(authority: Mapping[str, Any]) -> str:
    if not authority:
        return "authority: none"
    shown = ("phase", "epoch", "revision", "sessions", "digest")
    return "authority: " + ", ".join(f"{name} {authority[name]}" for name in shown if name in authority)


def _host_line(host: Mapping[str, Any]) -> str:
    parts = [f"host {host['name']}", f"number {host['number']}", f"life {host['life']}", str(host["version"])]
    if advertise := host.get("advertise"):
        parts.append(f"relayed to at {advertise}")
    parts.append("alive" if host["is_alive"] else f"not heard of since {host['last_seen']}")
    parts += [word for word, holds in (("decides", host["decides"]), ("this one", host["is_own"])) if holds]
    return ", ".join(parts)


def _age(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f}s"
    if seconds < 7200:
        return f"{seconds / 60:.0f}m"
    return f"{seconds / 3600:.0f}h" if seconds < 172_800 else f"{seconds / 86_400:.0f}d"
