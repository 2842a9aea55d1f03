"""A PostgreSQL of one's own with a standby that it waits for at each commit. Real servers on ports of 127.0.0.1."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.ports import free_port, wait_for

NAME = "chat"


class Pair:
    """`primary` and `standby` are the URLs of the same database on both."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self._folder, self._binaries = folder, binaries
        self._ports = {"primary": free_port(), "standby": free_port()}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._run("initdb", "--auth=trust", "--username=postgres", "-D", str(folder / "primary"))
        self._start("primary")
        self._ask("primary", f"CREATE DATABASE {NAME}", database="postgres")
        connection = ("-h", "127.0.0.1", "-p", str(self._ports["primary"]), "-U", "postgres")
        self._run("pg_basebackup", *connection, "--write-recovery-conf", "-D", str(folder / "standby"))
        self._start("standby")
        self._ask("primary", "ALTER SYSTEM SET synchronous_standby_names = '*'")
        self._ask("primary", "SELECT pg_reload_conf()")
        waits = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"
        wait_for(lambda: self._ask("primary", waits) == [(1,)], 30, "the standby to be waited for")

    @property
    def primary(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self._ports['primary']}/{NAME}"

    @property
    def standby(self) -> str:
        return f"postgres://postgres@127.0.0.1:{self._ports['standby']}/{NAME}"

    def kill_primary(self) -> None:
        """Without warning: its own processes end when they find it gone."""
        process = self._processes.pop("primary")
        process.kill()
        process.wait(10)

    def promote(self) -> None:
        self._ask("standby", "SELECT pg_promote()")
        wait_for(lambda: self._ask("standby", "SELECT pg_is_in_recovery()") == [(False,)], 30, "the promotion")

    def stop(self) -> None:
        for process in self._processes.values():
            process.send_signal(signal.SIGINT)
            process.wait(20)

    def _start(self, name: str) -> None:
        command = self._command("postgres", "-D", str(self._folder / name), "-p", str(self._ports[name]))
        options = ("-k", str(self._folder), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off")
        with (self._folder / f"{name}.log").open("wb") as log:
            self._processes[name] = subprocess.Popen([*command, *options], stdout=log, stderr=log, cwd="/")
        wait_for(lambda: self._is_there(name), 30, f"the {name}")

    def _is_there(self, name: str) -> bool:
        with suppress(psycopg.Error):
            return self._ask(name, "SELECT 1", database="postgres") == [(1,)]
        return False

    def _ask(self, name: str, statement: str, database: str = NAME) -> list[Any]:
        url = f"postgresql://postgres@127.0.0.1:{self._ports[name]}/{database}"
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), check=True, capture_output=True, timeout=120, cwd="/")

    def _command(self, program: str, *arguments: str) -> list[str]:
        """None of them runs as root."""
        who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [*who, str(self._binaries / program), *arguments]


@contextmanager
def primary_and_standby() -> Iterator[Pair]:
    binaries = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
    if binaries is None:
        pytest.skip("no PostgreSQL server is installed here")
    with tempfile.TemporaryDirectory(prefix="reaktor-postgresql-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, "postgres", "postgres")
        pair = Pair(Path(name), binaries)
        try:
            yield pair
        finally:
            pair.stop()
