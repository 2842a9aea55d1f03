"""A real server of one process for end-to-end tests: `manage.py runserver`, on a free port, with its own data.

LiveServer starts, kills and restarts it by its pid; data survives a restart. account() hands out accounts that
prepare() made, or registers them over REST. Servers of one test run start from copies of one prepared directory.
"""

from __future__ import annotations

import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import httpx

from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
START_S = 60.0
PASSWORD = "correct horse battery"
_NOT_OURS = {
    "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "TEST_DATABASE_URL", "REDIS_URL", "SECRET_KEY", "JWT_SECRET", "EMAIL_URL",
    "REGISTRATION",
}  # fmt: skip
_names = itertools.count(1)
_MAKE_ACCOUNTS = """
from datetime import timedelta
from django.db import transaction
from accounts import tokens
from accounts.models import User
from accounts.signals import user_registered
with transaction.atomic():
    for number in range({count}):
        user = User(username=f"{prefix}{{number}}", password="!")
        user.save(force_insert=True)
        user_registered.send(User, user=user)
        token = tokens.new(tokens.ACCESS, user)
        token.set_exp(lifetime=timedelta(days=1))
        print("account", user.username, token)
"""


class LiveServer:
    """One server process; `url` is where it listens. `command`: what to run for runserver, with `{port}` in it."""

    def __init__(
        self, data_dir: Path | None = None, *, command: Sequence[str] | None = None, **environment: str
    ) -> None:
        self._command = command or [
            sys.executable, "manage.py", "runserver", "--noreload", "127.0.0.1:{port}",
        ]  # fmt: skip
        self.pool: list[tuple[str, str]] = []
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.data_dir = data_dir or Path(tempfile.mkdtemp(prefix="reaktor-live-"))
        self._environment = {
            **{name: value for name, value in os.environ.items() if name not in _NOT_OURS},
            "DATA_DIR": str(self.data_dir),
            "DJANGO_SETTINGS_MODULE": "reaktor.settings.local",
            "PYTHONUNBUFFERED": "1",
            "PORT": str(self.port),
            **environment,
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.log_path = self.data_dir / "server.log"

    @property
    def database_url(self) -> str:
        """Where its data are; empty: in its directory."""
        return self._environment.get("DATABASE_URL", "")

    def migrate(self) -> None:
        self.manage("migrate", "--verbosity", "0")

    def manage(self, *arguments: str, tree: Path = ROOT) -> str:
        """Run a management command; its output. `tree`: of this release."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=tree,
            env=self._environment,
            check=True,
            capture_output=True,
            text=True,
            timeout=180,
        )
        return done.stdout

    def start(self, seconds: float = START_S) -> None:
        """Start and wait until it is ready."""
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [word.format(port=self.port) for word in self._command],
                cwd=ROOT,
                env=self._environment,
                stdout=log,
                stderr=log,
            )
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2).status_code == 200:
                    return
            except httpx.TransportError:
                pass
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

    def prepare(self, accounts: int = 400) -> None:
        """As an operator does, and make accounts without passwords whose tokens last for the whole test run."""
        self.manage("prepare")
        made = self.manage("shell", "-c", _MAKE_ACCOUNTS.format(count=accounts, prefix="pool"))
        words = [line.split() for line in made.splitlines() if line.startswith("account ")]
        self.pool = [(name, token) for _, name, token in words]

    def copy(self, data_dir: Path, *, command: Sequence[str] | None = None, **environment: str) -> LiveServer:
        """Another server, not yet started, whose data begin as a copy of this one's."""
        shutil.copytree(self.data_dir, data_dir)
        other = LiveServer(data_dir, command=command, **environment)
        other.pool = self.pool.copy()
        return other

    def account(self, username: str | None = None) -> tuple[str, str]:
        """(username, access token) of an account that no other test has; with a name, a new one with PASSWORD."""
        if username is None and self.pool:
            return self.pool.pop()
        name = username or f"user{next(_names)}{os.getpid()}"
        answer = httpx.post(f"{self.url}/api/v1/accounts", json={"username": name, "password": PASSWORD}, timeout=30)
        if answer.status_code != 201:
            raise RuntimeError(f"no account: {answer.status_code} {answer.text}")
        return name, str(answer.json()["access"])
