"""The whole chat server as operators run it, for tests: a cluster, its accounts, its people, and the fault to come.

chat_cluster(prepared, directory, …) starts `manage.py runcluster` on data copied from a prepared server. People come
from loopback addresses of their own, so the dispatcher spreads them; source(slot) is an address of that slot.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from reaktor.cluster.policy import slot_for
from tests.support.cluster import RunningCluster
from tests.support.ports import wait_for
from tests.support.server import LiveServer

CHAT = (sys.executable, "manage.py", "runcluster")
QUICK = {
    "DJANGO_SETTINGS_MODULE": "tests.support.live_settings",
    "HANG_TIMEOUT": "5s",
    "TERM_TIMEOUT": "1s",
    "DRAIN": "3s",
    "SOCKETIO_QUIT_GRACE": "2s",
    "SOCKETIO_KEEP_GRACE": "20s",
    "SOCKETIO_RECOVERY": "20s",
    # Limits stay on, or nobody could be locked out; what is not the point is lifted out of the way.
    "LIMITS": "on",
    "MAX_SESSIONS_PER_USER": "2",
    "LIMIT_SEND": "1000000/1s",
    "LIMIT_OPERATIONS": "1000000/1s",
    "LIMIT_LISTS": "1000000/1s",
    "LIMIT_CONNECTIONS": "10000",
    "LIMIT_CREATE_CHANNEL": "1000/1s",
    "LIMIT_FRAMES": "1000000/1s",
    "LIMIT_INCOMING_BYTES": "1000000000/1s",
    "LIMIT_REFUSALS": "1000000/1s",
    "LIMIT_REQUESTS_PER_ADDRESS": "1000000/1s",
    "LIMIT_REQUESTS_PER_USER": "1000000/1s",
}


class ChatCluster(RunningCluster):
    """A running chat server. `pool`: accounts nobody uses yet, as (username, access token)."""

    pool: list[tuple[str, str]]

    def __init__(self, directory: Path, command: Sequence[str] = CHAT, **environment: str) -> None:
        super().__init__(directory, command=command, **{**QUICK, **environment})
        self._sources = iter(range(2, 250))

    def account(self) -> tuple[str, str]:
        """An account that no other test has."""
        return self.pool.pop()

    def source(self, slot: int, slots: Sequence[int] = (1, 2)) -> str:
        """A loopback address, not given before, whose connections come to this slot while these slots are there."""
        return next(found for found in self._addresses() if slot_for(found, slots) == slot)

    def _addresses(self) -> Iterator[str]:
        for number in self._sources:
            yield f"127.0.1.{number}"
        self._sources = iter(range(2, 250))
        yield from self._addresses()

    def pid(self, slot: int) -> int:
        """The process that serves a slot now."""
        return int(self.workers()[slot]["pid"])

    def kill(self, slot: int, number: signal.Signals = signal.SIGKILL) -> float:
        """Send a worker a signal; the time when it was sent."""
        pid = self.pid(slot)
        at = time.monotonic()
        os.kill(pid, number)
        return at

    def request(self, method: str, path: str, token: str, source: str, **options: Any) -> httpx.Response:
        """One REST request of that user from that address."""
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=15) as client:
            headers = {"Authorization": f"Bearer {token}"}
            return client.request(method, f"{self.url}{path}", headers=headers, **options)

    def manage(self, *arguments: str) -> str:
        """What a management command says, run as an operator would."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            env=self.environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return done.stdout

    def is_ready(self, source: str) -> dict[str, Any]:
        """What /readyz of the worker of that address says: its parts, and "code"."""
        with httpx.Client(transport=httpx.HTTPTransport(local_address=source), timeout=15) as client:
            answer = client.get(f"{self.url}/readyz")
            return {**answer.json(), "code": answer.status_code}

    def wait_agreed(self, sessions: int | None = None, seconds: float = 10.0) -> dict[str, Any]:
        """Wait until every worker's replica equals the authority, and (when told) it knows so many sessions."""
        last: dict[str, Any] = {}

        def agreed() -> bool:
            last.clear()
            last.update(self.status())
            return all(worker["state"] == "ready" and worker["equals_authority"] for worker in last["workers"]) and (
                sessions is None or sessions == last["authority"]["sessions"]
            )

        try:
            wait_for(agreed, seconds, "agreement")
        except AssertionError:
            raise AssertionError(f"no agreement on {sessions} sessions: {last}") from None
        return last

    def wait_spare(self, seconds: float = 30.0) -> int:
        """Wait until one spare worker has booted; its pid."""

        def booted() -> list[int]:
            self.remember_family()
            return [spare["pid"] for spare in self.status()["spares"] if spare["state"] == "spare"]

        return int(wait_for(booted, seconds, "a spare")[0])

    def wait_replaced(self, slot: int, old: int, seconds: float = 30.0) -> int:
        """Wait until another process than `old` serves the slot, and nobody else is alive there; its pid."""

        def replaced() -> int | None:
            mine = [worker for worker in self.status()["workers"] if worker["slot"] == slot]
            return mine[0]["pid"] if len(mine) == 1 and mine[0]["state"] == "ready" != old else None

        found = wait_for(lambda: (pid := replaced()) not in (None, old) and pid, seconds, f"a new worker in {slot}")
        self.remember_family()
        return int(found)


@contextmanager
def chat_cluster(
    prepared: LiveServer, directory: Path, command: Sequence[str] = CHAT, **environment: str
) -> Iterator[ChatCluster]:
    """A serving cluster on a copy of the prepared data, ended with the block."""
    cluster = start_chat_cluster(prepared, directory, command, **environment)
    try:
        yield cluster.wait_serving(60)
    finally:
        cluster.destroy()


def start_chat_cluster(
    prepared: LiveServer, directory: Path, command: Sequence[str] = CHAT, **environment: str
) -> ChatCluster:
    """The same, not awaited, and the caller's to end."""
    shutil.copytree(prepared.data_dir, directory, dirs_exist_ok=True)
    cluster = ChatCluster(directory, command, **environment)
    cluster.pool = prepared.pool.copy()
    return cluster
