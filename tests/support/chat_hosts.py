"""Several hosts of one chat, for tests: supervisors with directories of their own on one PostgreSQL and one Redis."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.chat_cluster import ChatCluster, start_chat_cluster
from tests.support.databases import own_database
from tests.support.redis import running_redis
from tests.support.server import LiveServer

StartHost = Callable[..., ChatCluster]


@contextmanager
def chat_database(folder: Path, url: str, name: str) -> Iterator[LiveServer]:
    """A database of the test's own, with accounts; nobody is in it. `url` is that of another one on the server."""
    with own_database(url, name) as own_url:
        server = LiveServer(folder, DATABASE_URL=own_url)
        server.data_dir.mkdir()
        server.prepare(accounts=40)
        yield server


@contextmanager
def chat_hosts(folder: Path, prepared: LiveServer) -> Iterator[StartHost]:
    """begin("a") starts one more host, of one worker unless told, in `folder`; all are ended with the block."""
    started: list[ChatCluster] = []
    with running_redis() as redis_server:

        def begin(name: str, *, directory: str = "", **environment: str) -> ChatCluster:
            given = {"DATABASE_URL": prepared.database_url, "REDIS_URL": redis_server.url}
            files = {"FILES_DIR": str(folder / "files"), "FILES_SHARED": "on"}
            shared = {**given, **files, "WORKERS": "1", "HOST_NAME": name}
            host = start_chat_cluster(prepared, folder / (directory or name), **{**shared, **environment})
            started.append(host)
            return host

        try:
            yield begin
        finally:
            for host in started:
                signal_all(host, signal.SIGCONT)
                host.destroy()


def signal_all(host: ChatCluster, number: signal.Signals) -> None:
    """To the supervisor and all that it started, as when a whole machine stops."""
    host.remember_family()
    for pid in (host.process.pid, *(process.pid for process in host.family)):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue
