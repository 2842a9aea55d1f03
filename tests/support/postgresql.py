"""A PostgreSQL server of a test's own: made, started, stopped, asked. Whoever starts it stops it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg

from tests.support.ports import free_port, wait_for

START_S = 30.0
MAX_CONNECTIONS = 300


def binaries() -> Path | None:
    """Where the programs of the newest PostgreSQL server of this machine are; None: there is none."""
    return max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)


@contextmanager
def servers_folder() -> Iterator[Path]:
    """A folder that such servers may write to, gone at the end."""
    with tempfile.TemporaryDirectory(prefix="reaktor-postgresql-") as name:
        if os.geteuid() == 0:
            shutil.chown(name, "postgres", "postgres")
        yield Path(name)


class Postgresql:
    """One server, with its data in `folder`/`name`. `enter`: the words before a command that is to run where it is."""

    def __init__(
        self, folder: Path, name: str, programs: Path, *, address: str = "127.0.0.1", enter: Sequence[str] = ()
    ) -> None:
        self._folder, self._data, self._programs = folder, folder / name, programs
        self._address, self._port, self._enter = address, free_port(), enter
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def create(self) -> None:
        """Empty, and it lets in everybody who reaches it."""
        self._run("initdb", "--auth=trust", "--username=postgres", "-D", str(self._data))
        with (self._data / "pg_hba.conf").open("a") as file:
            file.write("host all all samenet trust\nhost all all 198.18.0.0/15 trust\n")

    def copy(self, primary: Postgresql) -> None:
        """A standby of that one."""
        connection = ("-h", primary._address, "-p", str(primary._port), "-U", "postgres")
        self._run("pg_basebackup", *connection, "--checkpoint=fast", "--write-recovery-conf", "-D", str(self._data))

    def start(self) -> None:
        """It answers when this returns."""
        options = {
            "listen_addresses": self._address,
            "unix_socket_directories": self._folder,
            "fsync": "off",
            "max_connections": MAX_CONNECTIONS,
        }
        given = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        command = self._command("postgres", "-D", str(self._data), "-p", str(self._port), *given)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
        wait_for(self._answers, START_S, f"an answer of {self._data.name}")

    def stop(self) -> None:
        """Cut everybody off, and end in order. May be repeated."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """Without warning: its own processes end when they find it gone."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    def ask(self, statement: str, database: str) -> list[Any]:
        url = self.url(database).replace("postgres://", "postgresql://", 1)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            found = connection.execute(statement)
            return found.fetchall() if found.description else []

    def url(self, database: str) -> str:
        return f"postgres://postgres@{self._address}:{self._port}/{database}"

    def _answers(self) -> bool:
        with suppress(psycopg.Error):
            return self.ask("SELECT 1", "postgres") == [(1,)]
        return False

    def _run(self, program: str, *arguments: str) -> None:
        subprocess.run(self._command(program, *arguments), check=True, capture_output=True, timeout=120, cwd="/")

    def _command(self, program: str, *arguments: str) -> list[str]:
        """None of them runs as root."""
        who = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.geteuid() == 0 else []
        return [*self._enter, *who, str(self._programs / program), *arguments]
