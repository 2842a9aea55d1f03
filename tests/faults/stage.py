"""Three hosts of one chat in network namespaces, with what they need: PostgreSQL, Redis, and nginx in front.

stage(folder, …) starts all of it, and ends it with the block, also when a start fails. tests.faults.driver hurts what
is on it; `make hosts` (tests.faults.hosts) shows it to people.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.faults.clocks import clock, stepped
from tests.faults.network import Member, Network, RefusedError, network
from tests.faults.releases import ROOT, next_release
from tests.support.chat_hosts import signal_all
from tests.support.cluster import RunningCluster
from tests.support.nginx import PATH, balancer
from tests.support.ports import free_port, wait_for
from tests.support.postgresql import Postgresql, binaries, servers_folder
from tests.support.redis_sites import MasterAndReplica, Site, answers
from tests.support.server import LiveServer

NAMES = ("a", "b", "c")
PORT, RELAY_PORT = 8000, 8001
DATABASE = "chat"
SERVING_S = 90.0
PATIENTLY = ("nice", "-n", "15")


class Host(RunningCluster):
    """One of the hosts. `url` is its own address, behind the balancer.

    While it starts, it takes what processor time the others leave: a machine of its own would cost them none.
    """

    def __init__(
        self, directory: Path, member: Member, tree: Path, *, clock: Path | None = None, **environment: str
    ) -> None:
        """`clock`: the library by which its clock can be stepped."""
        self.member, self.name, self.tree = member, member.name, tree
        self._clock = directory / "clock"
        self._starts = 0
        given = {"HOST_NAME": member.name, "PORT": str(PORT), "ADVERTISE": f"{member.address}:{RELAY_PORT}"}
        # One directory for all hosts of the machine, as a volume that all of them mount.
        given |= {"FILES_DIR": str(directory.parent / "files"), "FILES_SHARED": "on"}
        command = (sys.executable, "manage.py", "runcluster")
        given |= stepped(clock, self._clock)
        super().__init__(directory, command, (*member.enter, *PATIENTLY), **given, BIND="0.0.0.0", **environment)

    def start(self) -> None:
        """Start it; again, once it has ended. The log of each start is a file of its own."""
        self.step_clock(0)
        self._starts += 1
        self.log = self.directory / f"log-{self._starts}"
        super().start()

    def wait_serving(self, seconds: float = SERVING_S) -> Host:
        super().wait_serving(seconds)
        for process in (psutil.Process(self.process.pid), *self.family):
            with suppress(psutil.NoSuchProcess, ProcessLookupError):
                for thread in process.threads():
                    os.setpriority(os.PRIO_PROCESS, thread.id, 0)
        return self

    @property
    def url(self) -> str:
        return f"http://{self.member.address}:{PORT}"

    def step_clock(self, seconds: int) -> None:
        """From the next second on its time of day is so far off, if it can step."""
        self._clock.write_text(f"{seconds:+d}\n")

    def kill_all(self) -> None:
        """All of its processes at once, as when the machine is gone."""
        signal_all(self, signal.SIGKILL)
        self.process.wait(10)


@dataclass(frozen=True, slots=True)
class Stage:
    """`members`: hosts, "postgresql" and "redis" by name. `url`: the balancer.

    `pool`: accounts that nobody uses yet, as (username, access token). `releases`: the trees of the release that hosts
    begin with, and of one that may run beside it.
    """

    network: Network
    postgresql: Postgresql
    redis: Site
    members: Mapping[str, Member]
    hosts: Mapping[str, Host]
    url: str
    pool: list[tuple[str, str]]
    releases: tuple[Path, Path]
    prepared: LiveServer

    def prepare(self, tree: Path) -> None:
        """Bring the tables up to date with that release."""
        self.prepared.manage("prepare", tree=tree)


@contextmanager
def stage(
    folder: Path,
    *,
    port: int | None = None,
    accounts: int = 0,
    sentinels: int = 0,
    can_step: bool = False,
    first: Path = ROOT,
    **environment: str,
) -> Iterator[Stage]:
    """Serving hosts. `port`: the balancer's, on 127.0.0.1. Without Sentinels there is one Redis. Raises RefusedError.

    `first`: the tree of the release that they begin with. `can_step`: their clocks can be stepped. The environment is
    that of each host, beside its names and addresses.
    """
    _check()
    with ExitStack() as things:
        net = things.enter_context(network())
        members = {name: net.add(name) for name in (*NAMES, "postgresql", "redis")}
        postgresql = things.enter_context(_running_postgresql(members["postgresql"]))
        redis, redis_at = _start_redis(folder, members["redis"], sentinels)
        things.callback(redis.stop)
        prepared = LiveServer(folder / "prepared", DATABASE_URL=postgresql.url(DATABASE))
        prepared.data_dir.mkdir()
        prepared.prepare(accounts)
        url = things.enter_context(
            balancer(folder / "nginx", [f"{members[name].address}:{PORT}" for name in NAMES], port=port)
        )
        given = {"DATABASE_URL": prepared.database_url, "TRUSTED_PROXIES": net.outside.address, **redis_at}
        library = clock(folder) if can_step else None
        hosts: dict[str, Host] = {}
        for name in NAMES:
            # Secrets were made with the database.
            shutil.copytree(prepared.data_dir, folder / name)
            hosts[name] = Host(folder / name, members[name], first, clock=library, **{**given, **environment})
            things.callback(_end, hosts[name])
        for host in hosts.values():
            host.wait_serving(SERVING_S)
        yield Stage(net, postgresql, redis, members, hosts, url, prepared.pool, (first, next_release(folder)), prepared)


def _check() -> None:
    """Raises RefusedError, with what is missing here."""
    for program, package in (("nginx", "nginx-light"), ("redis-server", "redis-server")):
        if shutil.which(program, path=PATH) is None:
            raise RefusedError(f"There is no {program} here: install it (Debian's package {package}).")
    if binaries() is None:
        raise RefusedError("There is no PostgreSQL server here: install it (Debian's package postgresql).")


@contextmanager
def _running_postgresql(member: Member) -> Iterator[Postgresql]:
    programs = binaries()
    assert programs is not None
    with servers_folder() as folder:
        server = Postgresql(folder, "primary", programs, address=member.address, enter=member.enter)
        server.create()
        try:
            server.start()
            server.ask(f"CREATE DATABASE {DATABASE}", "postgres")
            yield server
        finally:
            server.stop()


def _start_redis(folder: Path, member: Member, sentinels: int) -> tuple[Site, dict[str, str]]:
    """The servers, and how a host is told of them."""
    place = folder / "redis"
    place.mkdir()
    if sentinels:
        found = MasterAndReplica(place, member.address, member.enter, sentinels=sentinels)
        return found, found.environment
    alone, port = Site(place, member.address, member.enter), free_port()
    alone.start(port)
    wait_for(lambda: answers(port, member.address), 10, "an answer from Redis")
    return alone, {"REDIS_URL": f"redis://{member.address}:{port}/0"}


def _end(host: Host) -> None:
    signal_all(host, signal.SIGCONT)
    host.destroy()
