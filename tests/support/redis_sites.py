"""A Redis as operators run it beside the embedded one: with TLS and a user of its own, and a master with Sentinels.

Real servers on ports of 127.0.0.1, in a folder of the caller's. Whoever starts one stops it.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
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
    """redis-server processes, one by one, each with its options."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        executable = shutil.which("redis-server")
        if executable is None:
            pytest.skip("no redis-server with TLS and Sentinel on the PATH")
        self._executable = executable

    def start(self, port: int, **options: Any) -> None:
        """One with these options, and nothing kept. It is there when this returns."""
        given = {"port": port, "save": "", "bind": "127.0.0.1", **options}
        self._run(
            port, [f"{name.replace('_', '-')} {value if value != '' else chr(34) * 2}" for name, value in given.items()]
        )

    def start_sentinel(self, port: int, master: int) -> None:
        self._run(
            port,
            [
                f"port {port}",
                "bind 127.0.0.1",
                f"dir {self.folder}",
                f"sentinel monitor {MASTER} 127.0.0.1 {master} 1",
                f"sentinel down-after-milliseconds {MASTER} {DOWN_MS}",
                f"sentinel failover-timeout {MASTER} 5000",
            ],
            "--sentinel",
        )

    def _run(self, port: int, lines: list[str], *more: str) -> None:
        file = self.folder / f"{port}.conf"
        file.write_text("\n".join([*lines, ""]))
        with (self.folder / f"{port}.log").open("ab") as log:
            self._processes[port] = subprocess.Popen([self._executable, str(file), *more], stdout=log, stderr=log)

    def kill(self, port: int) -> None:
        process = self._processes.pop(port)
        process.kill()
        process.wait(10)

    def stop(self) -> None:
        for port in list(self._processes):
            self.kill(port)


def answers(port: int, **options: Any) -> bool:
    with redis.Redis(port=port, socket_timeout=1.0, retry=None, **options) as client, suppress(redis.RedisError):
        return bool(client.ping())
    return False


def ask(port: int, *command: str) -> Any:
    with redis.Redis(port=port, socket_timeout=2.0, decode_responses=True) as client:
        return client.execute_command(*command)


class MasterAndReplica(Site):
    """A master, its replica, and a Sentinel. `at`: how the server is told of them."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.master, self.replica, self.sentinel = free_port(), free_port(), free_port()
        self.start(self.master)
        self.start(self.replica, replicaof=f"127.0.0.1 {self.master}", repl_diskless_sync_delay=0)
        for port in (self.master, self.replica):
            wait_for(lambda port=port: answers(port), 10, "an answer from Redis")
        wait_for(lambda: f"slave{0}" in ask(self.master, "INFO", "replication"), 20, "the replica")
        wait_for(lambda: ask(self.replica, "INFO", "replication")["master_link_status"] == "up", 20, "its link")
        self.start_sentinel(self.sentinel, self.master)
        wait_for(lambda: answers(self.sentinel), 10, "an answer from the Sentinel")
        wait_for(lambda: len(ask(self.sentinel, "SENTINEL", "REPLICAS", MASTER)) == 1, 20, "the Sentinel to know all")

    @property
    def at(self) -> RedisAt:
        return RedisAt("redis://", (("127.0.0.1", self.sentinel),), MASTER)

    @property
    def environment(self) -> dict[str, str]:
        return {"REDIS_SENTINELS": f"127.0.0.1:{self.sentinel}", "REDIS_SENTINEL_MASTER": MASTER}

    def wait_promoted(self) -> None:
        """Until the Sentinel names the replica, and that one is a master."""
        wait_for(lambda: ask(self.replica, "ROLE")[0] == "master", 30, "the replica's promotion")
        named = lambda: ask(self.sentinel, "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER)  # noqa: E731
        wait_for(lambda: int(named()[1]) == self.replica, 30, "the Sentinel to say so")


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
