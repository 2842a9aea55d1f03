"""A real server of one process for end-to-end tests: `manage.py runserver`, on a free port, with its own data.

LiveServer starts, kills and restarts it by its pid; data survives a restart. account() registers users over REST.
"""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_S = 30.0
PASSWORD = "correct horse battery"  # noqa: S105
_names = itertools.count(1)


class LiveServer:
    """One server process; `url` is where it listens."""

    def __init__(self, data_dir: Path | None = None, **environment: str) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="reaktor-live-"))
        self._environment = {
            **{name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"},
            "DATA_DIR": str(self.data_dir),
            "DJANGO_SETTINGS_MODULE": "reaktor.settings.local",
            "PYTHONUNBUFFERED": "1",
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = self.data_dir / "server.log"

    def migrate(self) -> None:
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *arguments: str) -> str:
        """Run a management command; its output."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
        )
        return done.stdout

    def start(self) -> None:
        """Start and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "runserver", "--noreload", f"127.0.0.1:{self.port}"],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                time.sleep(0.05)
        raise RuntimeError(f"the server did not start:\n{self.log()}")

    def kill(self) -> None:
        """kill -9, as a crash."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(10)
            self.process = None

    def restart(self) -> None:
        """Crash, and come back on the same port with the same data."""
        self.kill()
        self.start()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def account(self, username: str | None = None) -> tuple[str, str]:
        """(username, access token) of a new account."""
        name = username or f"user{next(_names)}{os.getpid()}"
        answer = httpx.post(f"{self.url}/api/v1/accounts", json={"username": name, "password": PASSWORD}, timeout=30)
        if answer.status_code != 201:
            raise RuntimeError(f"no account: {answer.status_code} {answer.text}")
        return name, str(answer.json()["access"])
