"""The server that is measured, and what it has in common with its peers (benchmarks.peer_servers).

Each is one process on core 0 (the load generator takes core 1), on a free port, with data in a temporary directory.
A Server says how a client connects and comes into a channel, what a post looks like, and what a delivery looks like.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Self

import httpx
import psutil

from benchmarks.load import Client, Crowd, open_websocket
from reaktor.cluster.control import ask
from reaktor.cluster.failures import NotRunningError
from reaktor.cluster.policy import slot_for
from reaktor.cluster.rundir import RunDir
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = "reaktor.settings.local"
START_S = 60.0
COMMAND_S = 120.0
STOP_S = 15.0
CHANNEL = "general"
NOWHERE = ""
"""In the place of a channel: the client connects, and enters none."""
MINT = """
import sys, django
django.setup()
from django.contrib.auth.hashers import make_password
from accounts import tokens
from accounts.models import User
from accounts.services import user_store
for number in range(int(sys.argv[2])):
    user = User(username=f"{sys.argv[1]}{number}", password=make_password(None))
    user_store(user)
    print(tokens.new(tokens.SeedToken, user))
"""
MAKE_CHANNELS = """
import sys, django
django.setup()
from chat.models import Channel
for key in sys.argv[1:]:
    Channel.objects.create(key=key, name=key, kind="public")
"""


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core, where there are several."""
    if (os.cpu_count() or 1) > 1:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {core})


def memory_kib(pid: int) -> int:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


@dataclass(frozen=True)
class Opening:
    """How a session begins: the path, what the client says first (b"" nothing), what comes when it is there."""

    path: str
    greeted: bytes
    said: bytes = b""
    subprotocol: str | None = None


class Served(ABC):
    """One process under measurement, and what belongs to it. Use as a context manager."""

    name: str
    tree: Path = ROOT
    """Whose code runs."""

    def __init__(self) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="reaktor-bench-"))
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: list[str], **environment: str) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command,
                cwd=self.tree,
                env={**os.environ, **environment},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def wait_for_port(self) -> None:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", self.port), 2).close()
                return
            except OSError:
                time.sleep(0.05)
        raise RuntimeError(f"{self.name} did not start: {(self.directory / 'log').read_text()[-2000:]}")

    @property
    def worker_pid(self) -> int:
        """The process whose memory and core count."""
        assert self.process is not None
        return self.process.pid

    @property
    def pids(self) -> list[int]:
        """All processes of the server, its own Redis among them."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        return [parent.pid, *(child.pid for child in parent.children(recursive=True))]

    @abstractmethod
    def start(self) -> None: ...

    def __enter__(self) -> Self:
        try:
            self.start()
            pin(self.worker_pid, 0)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        try:
            if self.process is not None:
                end(self.process)
        finally:
            shutil.rmtree(self.directory, ignore_errors=True)


class Server(Served):
    """One chat server under measurement."""

    marker: bytes
    """Occurs once in each delivery of a post, and nowhere else in what receivers are sent."""
    ack_marker: bytes
    """Occurs once in each answer to a post."""
    tells_text = True
    """Deliveries bring the text of the post."""

    def __init__(self) -> None:
        super().__init__()
        self.channel, self.user = CHANNEL, ""

    def use(self, channel: str = CHANNEL, user: str = "") -> None:
        """Which channel connect() and post() mean from now on, and whose token connects ("": the usual user's)."""
        self.channel, self.user = channel, user

    @abstractmethod
    def opening(self) -> Opening: ...

    @abstractmethod
    def post(self, client: Client, text: str, number: int) -> None: ...

    def users(self, count: int) -> list[str]:
        """Tokens of so many new users. Raises LookupError where a server knows no users."""
        raise LookupError(f"{self.name} knows no users, so it can't make {count}")

    def make_channels(self, keys: Sequence[str]) -> None:
        """Channels with these keys, where a server wants to know them before somebody enters."""

    def dial(self, source: str | None = None) -> tuple[socket.socket, bytes]:
        """A WebSocket on which nothing was said yet."""
        opening = self.opening()
        return open_websocket("127.0.0.1", self.port, opening.path, subprotocol=opening.subprotocol, source=source)

    def connect(self, crowd: Crowd, source: str | None = None) -> Client:
        """A new client that is in the channel; its counter is still to be reset."""
        opening = self.opening()
        client = crowd.add(self.dial(source), opening.greeted or self.marker)
        if opening.said:
            client.send(opening.said)
        if opening.greeted:
            crowd.wait(client, 1)
        return client


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop a process that leads its session, and what it leaves behind."""
    process.send_signal(signal.SIGTERM)
    try:
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_S)


@cache
def migrated(tree: Path = ROOT) -> Path:
    """An empty, migrated SQLite database, made once; it goes when this process ends."""
    folder = tempfile.mkdtemp(prefix="reaktor-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    manage({"DATA_DIR": folder, "DJANGO_SETTINGS_MODULE": SETTINGS}, "migrate", tree=tree)
    path = Path(folder) / "reaktor.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


def manage(environment: dict[str, str], *arguments: str, tree: Path = ROOT) -> str:
    return run(environment, "manage.py", *arguments, tree=tree)


def run(environment: dict[str, str], *arguments: str, timeout_s: float = COMMAND_S, tree: Path = ROOT) -> str:
    """What Python prints. Raises RuntimeError with what it complains about."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=tree,
        env={**os.environ, **environment},
        check=False,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)[:60]}: {done.stderr[-1000:]}")
    return done.stdout


class Reaktor(Server):
    """This server: a cluster of one worker, with durable posts, on SQLite or on the migrated database with that URL."""

    def __init__(self, transport: str = "native", workers: int = 1, database_url: str = "", tree: Path = ROOT) -> None:
        super().__init__()
        self.workers = workers
        self.tree = tree
        self._tokens: dict[str, str] = {}
        self._minted = 0
        self.speak(transport)
        self.environment = {
            "DATA_DIR": str(self.directory),
            "PORT": str(self.port),
            "WORKERS": str(workers),
            "LIMITS": "off",
            # Its boot would be measured with the rest.
            "SPARE_WORKERS": "0",
            # The load generator answers no pings: on a slow machine a crowd of a thousand would be taken for dead.
            "PING_INTERVAL": "1h",
            "ENGINEIO_PING_INTERVAL": "1h",
            "LOG_LEVEL": "WARNING",
            "DJANGO_SETTINGS_MODULE": SETTINGS,
            "DATABASE_URL": database_url,
        }

    def speak(self, transport: str) -> None:
        """Which clients connect() makes from now on: native, eio3 (Socket.IO 1 and 2) or eio4; a user for each."""
        self.transport = transport
        self.name = f"reaktor, {transport}"
        self.marker = b'"message.new"' if transport == "native" else b'42["message:post"'
        self.ack_marker = b'"ok":true' if transport == "native" else b'"seq"'

    def manage(self, *arguments: str) -> str:
        return manage(self.environment, *arguments, tree=self.tree)

    def prepare(self) -> None:
        """The tables; may be done before start(), to fill them."""
        database = self.directory / "reaktor.sqlite3"
        if not self.environment["DATABASE_URL"] and not database.exists():
            shutil.copy(migrated(self.tree), database)

    def start(self) -> None:
        self.prepare()
        self.spawn([sys.executable, "manage.py", "runcluster", "--bind", "127.0.0.1"], **self.environment)
        deadline = time.monotonic() + START_S
        while len(serving := self.serving()) < self.workers:
            if time.monotonic() > deadline or self.process is None or self.process.poll() is not None:
                raise RuntimeError(f"did not start: {(self.directory / 'log').read_text()[-500:]}")
            time.sleep(0.05)
        self.worker_pids = serving
        # Not while connects are measured.
        self.token()

    def serving(self) -> list[int]:
        """The workers that serve now, in the order of their slots. None while the supervisor starts."""
        run_dir = RunDir(self.directory / "run" / str(self.port))
        try:
            workers = ask(run_dir, {"do": "status"}, START_S)["workers"]
        except NotRunningError:
            return []
        ready = [worker for worker in workers if worker["state"] == "ready"]
        return [int(worker["pid"]) for worker in sorted(ready, key=lambda worker: int(worker["slot"]))]

    def place_of(self, address: str) -> int:
        """Which of the workers (0 is the first) the clients of an address have."""
        return slot_for(address, range(1, self.workers + 1)) - 1

    @property
    def worker_pid(self) -> int:
        return self.worker_pids[0]

    def token(self) -> str:
        """Of the transport's user, who is made when it is asked for first; as that transport's clients get theirs."""
        if self.transport not in self._tokens:
            name, password = f"bench{self.transport}", "correct horse battery"
            with httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=30) as http:
                made = http.post("/api/v1/accounts", json={"username": name, "password": password})
                found = made.raise_for_status().json()["access"]
                if self.transport != "native":
                    found = http.post("/auth/login", json={"name": name, "password": password}).json()["token"]
            self._tokens[self.transport] = found
        return self._tokens[self.transport]

    def users(self, count: int) -> list[str]:
        """Tokens of so many new users, made past the password hasher; they serve every transport."""
        self._minted += 1
        return run(self.environment, "-c", MINT, f"made{self._minted}x", str(count), tree=self.tree).split()

    def make_channels(self, keys: Sequence[str]) -> None:
        run(self.environment, "-c", MAKE_CHANNELS, *keys, tree=self.tree)

    def opening(self) -> Opening:
        token = self.user or self.token()
        if self.transport == "native":
            hello = json.dumps({"id": 0, "op": "hello", "data": {"token": token}}).encode()
            return Opening("/ws/v1", b'"ok":true', hello, "reaktor.v1")
        revision = self.transport.removeprefix("eio")
        path = f"/socket.io/?EIO={revision}&transport=websocket&token={token}"
        return Opening(path, b'["logged_in"', b"40{}" if revision == "4" else b"")

    def connect(self, crowd: Crowd, source: str | None = None) -> Client:
        client = super().connect(crowd, source)
        if self.transport == "native" and self.channel:
            client.request("channel.join", self.channel)
            crowd.wait(client, 2)
        return client

    def join_all(self) -> None:
        """Socket.IO sessions of one user join together, over REST."""
        if self.transport != "native":
            url = f"http://127.0.0.1:{self.port}/channels/{self.channel}/join"
            headers = {"Authorization": f"Bearer {self.user or self.token()}"}
            httpx.post(url, headers=headers, timeout=60).raise_for_status()

    def post(self, client: Client, text: str, number: int) -> None:
        if self.transport == "native":
            client.request(
                "message.send", self.channel, text=text, nonce=f"{os.getpid()}-{time.monotonic_ns()}-{number}"
            )
        else:
            socketio_post(client, self.channel, text, number)


def socketio_post(client: Client, channel: str, text: str, number: int) -> None:
    client.send(f"42{number}{json.dumps(['message:post', {'channel': channel, 'message': text}])}".encode())
