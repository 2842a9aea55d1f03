"""A Redis as operators run it beside the embedded one: with TLS and a user of its own, and a master with Sentinels.

Real servers on ports of 127.0.0.1, in a folder of the caller's. Whoever starts one stops it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import redis

from reaktor.config.redis_at import RedisAt
from tests.support.certificates import certificates
from tests.support.ports import free_port, wait_for

MASTER = "chat"
USER, PASSWORD = "reaktor", "p@ss/word"
ACL = ("on", f">{PASSWORD}", "~reaktor*", "&reaktor*", "+@all", "-@admin", "-@dangerous")
DOWN_MS = 1_000
"""After so long Sentinels take a master for dead."""


class Site:
    """redis-server processes, one by one, each with its options, at one address.

    `enter`: the words before a command that is to run where they are.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1", enter: Sequence[str] = ()) -> None:
        self.folder, self.address, self._enter = folder, address, enter
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        executable = shutil.which("redis-server")
        if executable is None:
            pytest.skip("no redis-server with TLS and Sentinel on the PATH")
        self._executable = executable

    def start(self, port: int, **options: Any) -> None:
        """One with these options, and nothing kept. It is there when this returns."""
        given = {"port": port, "save": "", "bind": self.address, "protected_mode": "no", "dir": self.folder, **options}
        self._run(
            port, [f"{name.replace('_', '-')} {value if value != '' else chr(34) * 2}" for name, value in given.items()]
        )

    def start_sentinel(self, port: int, master: int, quorum: int = 1) -> None:
        self._run(
            port,
            [
                f"port {port}",
                f"bind {self.address}",
                "protected-mode no",
                f"dir {self.folder}",
                f"sentinel monitor {MASTER} {self.address} {master} {quorum}",
                f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
                f"sentinel failover-timeout {MASTER} 5000",
            ],
            "--sentinel",
        )

    def _run(self, port: int, lines: list[str], *more: str) -> None:
        file = self.folder / f"{port}.conf"
        file.write_text("\n".join([*lines, ""]))
        with (self.folder / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen(
                [*self._enter, self._executable, str(file), *more], stdout=log, stderr=log, start_new_session=True
            )

    def kill(self, port: int) -> None:
        process = self._processes.pop(port)
        process.kill()
        process.wait(10)

    def stop(self) -> None:
        for port in list(self._processes):
            self.kill(port)


def answers(port: int, address: str = "127.0.0.1", **options: Any) -> bool:
    with (
        redis.Redis(address, port, socket_timeout=1.0, socket_connect_timeout=1.0, retry=None, **options) as client,
        suppress(redis.RedisError),
    ):
        return bool(client.ping())
    return False


def ask(port: int, *command: str, address: str = "127.0.0.1") -> Any:
    with redis.Redis(address, port, socket_timeout=2.0, decode_responses=True) as client:
        return client.execute_command(*command)


class MasterAndReplica(Site):
    """A master, its replica, and Sentinels, of which most must agree. `at`: how the server is told of them."""

    def __init__(
        self, folder: Path, address: str = "127.0.0.1", enter: Sequence[str] = (), *, sentinels: int = 1
    ) -> None:
        super().__init__(folder, address, enter)
        self.master, self.replica = free_port(), free_port()
        self.sentinels = [free_port() for _ in range(sentinels)]
        self.start(self.master)
        wait_for(lambda: answers(self.master, address), 10, "an answer from Redis")
        self.add_replica()
        for port in self.sentinels:
            self.start_sentinel(port, self.master, sentinels // 2 + 1)
        for port in self.sentinels:
            wait_for(lambda port=port: answers(port, address), 10, "an answer from the Sentinel")
            for others, count in (("REPLICAS", 1), ("SENTINELS", sentinels - 1)):
                wait_for(
                    lambda port=port, others=others, count=count: len(self._sentinel(port, others)) == count,
                    20,
                    "the Sentinel to know all",
                )

    @property
    def sentinel(self) -> int:
        return self.sentinels[0]

    @property
    def at(self) -> RedisAt:
        return RedisAt("redis://", tuple((self.address, port) for port in self.sentinels), MASTER)

    @property
    def environment(self) -> dict[str, str]:
        places = ",".join(f"{self.address}:{port}" for port in self.sentinels)
        return {"REDIS_SENTINELS": places, "REDIS_SENTINEL_MASTER": MASTER}

    def add_replica(self) -> None:
        """`replica` follows `master`, and has all of it."""
        self.start(self.replica, replicaof=f"{self.address} {self.master}", repl_diskless_sync_delay=0)
        wait_for(lambda: answers(self.replica, self.address), 10, "an answer from Redis")
        wait_for(lambda: "slave0" in self._replication(self.master), 20, "the replica")
        wait_for(lambda: self._replication(self.replica).get("master_link_status") == "up", 20, "its link")

    def wait_promoted(self) -> None:
        """Until the Sentinel names the replica, and that one is a master."""
        role = lambda: ask(self.replica, "ROLE", address=self.address)[0]  # noqa: E731
        wait_for(lambda: role() == "master", 30, "the replica's promotion")
        named = lambda: self._sentinel(self.sentinel, "GET-MASTER-ADDR-BY-NAME")  # noqa: E731
        wait_for(lambda: int(named()[1]) == self.replica, 30, "the Sentinel to say so")

    def replace_master(self) -> None:
        """After a fail-over: the replica is the master, and the old master is started anew as its replica."""
        self.master, self.replica = self.replica, self.master
        self.add_replica()

    def _replication(self, port: int) -> dict[str, Any]:
        return dict(ask(port, "INFO", "replication", address=self.address))

    def _sentinel(self, port: int, question: str) -> Any:
        return ask(port, "SENTINEL", question, MASTER, address=self.address)


@contextmanager
def master_and_replica(folder: Path) -> Iterator[MasterAndReplica]:
    site = MasterAndReplica(folder)
    try:
        yield site
    finally:
        site.stop()


@contextmanager
def tls_redis(folder: Path) -> Iterator[RedisAt]:
    """One that speaks TLS alone, with a certificate of an authority of ours, and lets one user in."""
    authority, certificate, key = certificates(folder)
    site, port = Site(folder), free_port()
    site.start(
        0,
        tls_port=port,
        tls_cert_file=certificate,
        tls_key_file=key,
        tls_ca_cert_file=authority,
        tls_auth_clients="no",
        user=" ".join((USER, *ACL)),
        requirepass="nobody knows".replace(" ", "-"),
    )
    options = {"ssl": True, "ssl_ca_certs": str(authority), "username": USER, "password": PASSWORD}
    try:
        wait_for(lambda: answers(port, **options), 10, "an answer from Redis")
        yield RedisAt(f"rediss://{USER}:p%40ss%2Fword@localhost:{port}/0", ca_file=str(authority))
    finally:
        site.stop()
