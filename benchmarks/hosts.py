"""Several hosts of one chat on this machine: one PostgreSQL, one Redis, one worker each; and what each process uses.

`with chat_hosts(2) as hosts:` starts them. A Meter reads the processor time of every kind of process, PostgreSQL's for
this database among them, where it runs on this machine.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import psutil
import redis

from benchmarks.databases import POSTGRESQL, backends, new_database
from benchmarks.membership import redis_url
from benchmarks.rounds import cpu_s
from benchmarks.servers import Reaktor
from tests.support.ports import free_port

SECRET = "the hosts of one chat have the same secrets"
SETTLE_S = 3.0
"""A supervisor that has just started begins its chores."""


class Host(Reaktor):
    """One host of one worker. Its clients are users made by users(), never one of its own."""

    def __init__(self, number: int, database_url: str, redis_url: str) -> None:
        super().__init__(database_url=database_url)
        self.name = f"host{number}"
        self.environment |= {
            "HOST_NAME": self.name,
            "ADVERTISE": f"127.0.0.1:{free_port()}",
            "REDIS_URL": redis_url,
            "FILES_SHARED": "on",
            "SECRET_KEY": SECRET,
            "JWT_SECRET": SECRET[::-1],
        }

    def token(self) -> str:
        return self.user

    @property
    def supervisor_pid(self) -> int:
        assert self.process is not None
        return self.process.pid


@dataclass(frozen=True)
class Used:
    """Cores in use, from 0 on, by kind of process: one for each host, then those that all hosts share."""

    workers: tuple[float, ...]
    supervisors: tuple[float, ...]
    redis: float
    postgresql: float


@dataclass(frozen=True)
class Chat:
    """Hosts that serve; the first one decides who is where."""

    hosts: Sequence[Host]
    database_url: str
    redis_pid: int


class Meter:
    """Runs from its making on."""

    def __init__(self, chat: Chat) -> None:
        self._chat = chat
        self._before, self._started = self._read(), time.perf_counter()

    def read(self) -> Used:
        """What was used since then, of connections to PostgreSQL those that are still open."""
        wall_s, before, after = time.perf_counter() - self._started, self._before, self._read()
        share = {pid: (spent - before.get(pid, 0.0)) / wall_s for pid, spent in after.items()}
        workers = tuple(share.pop(host.worker_pid) for host in self._chat.hosts)
        supervisors = tuple(share.pop(host.supervisor_pid) for host in self._chat.hosts)
        return Used(workers, supervisors, share.pop(self._chat.redis_pid), sum(share.values()))

    def _read(self) -> dict[int, float]:
        ours = [pid for host in self._chat.hosts for pid in (host.worker_pid, host.supervisor_pid)]
        return {pid: cpu_s([pid]) for pid in (*ours, self._chat.redis_pid, *backends(self._chat.database_url))}


@contextmanager
def chat_hosts(count: int) -> Iterator[Chat]:
    """So many hosts that serve, the first one started first; ended with the block."""
    with new_database(POSTGRESQL) as database_url, redis_url(free_port()) as bus_url, ExitStack() as running:
        hosts = []
        for number in range(1, count + 1):
            host = running.enter_context(Host(number, database_url, bus_url))
            hosts.append(host)
            unpin(host)
        time.sleep(SETTLE_S)
        yield Chat(hosts, database_url, redis_pid(bus_url))


def redis_pid(url: str) -> int:
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def unpin(host: Host) -> None:
    """Several workers on one core would only wait for each other."""
    for pid in host.pids:
        psutil.Process(pid).cpu_affinity(range(psutil.cpu_count() or 1))
