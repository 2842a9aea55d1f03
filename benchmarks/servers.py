"""The servers that are measured: ours, and peers that do the least a chat server can do.

Each is one process on core 0 (the load generator takes core 1), on a free port, with data in a temporary directory.
A Server says how to connect a client that is in the channel, what a post looks like, and what a delivery looks like.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from abc import ABC, abstractmethod
from pathlib import Path

import httpx

from benchmarks.load import Client, Crowd, open_websocket
from reaktor.cluster.redis import find_executable
from tests.support.ports import free_port

ROOT = Path(__file__).resolve().parents[1]
PEERS = Path(__file__).resolve().parent / "peers"
START_S = 60.0
CHANNEL = "general"


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process on one core, where there are several."""
    if (os.cpu_count() or 1) > 1:
        for thread in os.listdir(f"/proc/{pid}/task"):
            os.sched_setaffinity(int(thread), {core})


def memory_kib(pid: int) -> int:
    """Resident memory of one process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") // 1024


def cpu_s(pids: list[int]) -> float:
    """Processor time that the living threads of these processes have used, in seconds, to the nanosecond."""
    files = [file for pid in pids for file in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


class Server(ABC):
    """One server under measurement. Use as a context manager."""

    name: str
    marker: bytes
    """Occurs once in each delivery of a post, and nowhere else in what receivers are sent."""

    def __init__(self) -> None:
        self.port = free_port()
        self.directory = Path(tempfile.mkdtemp(prefix="reaktor-bench-"))
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self, command: list[str], **environment: str) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                command, cwd=ROOT, env={**os.environ, **environment}, stdout=log, stderr=log, start_new_session=True
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

    @abstractmethod
    def start(self) -> None: ...

    @abstractmethod
    def connect(self, crowd: Crowd) -> Client:
        """A new client that is in the channel; its counter is still to be reset."""

    @abstractmethod
    def post(self, client: Client, text: str, number: int) -> None: ...

    def __enter__(self) -> Server:
        self.start()
        pin(self.worker_pid, 0)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(15)
        shutil.rmtree(self.directory, ignore_errors=True)


class Reaktor(Server):
    """This server: a cluster of one worker, with durable posts."""

    marker = b'"message.new"'

    def __init__(self, transport: str = "native", workers: int = 1) -> None:
        super().__init__()
        self.workers = workers
        self._tokens: dict[str, str] = {}
        self.use(transport)
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
            "DJANGO_SETTINGS_MODULE": "reaktor.settings.local",
        }

    def use(self, transport: str, channel: str = CHANNEL) -> None:
        """Which clients connect() makes from now on (native, eio3 or eio4), and in which channel; a user for each."""
        self.transport, self.channel = transport, channel
        self.name = f"reaktor, {transport}"
        self.marker = b'"message.new"' if transport == "native" else b'42["message:post"'

    def manage(self, *arguments: str) -> str:
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env={**os.environ, **self.environment},
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    def start(self) -> None:
        self.manage("migrate", "--verbosity", "0")
        self.spawn([sys.executable, "manage.py", "runcluster", "--bind", "127.0.0.1"], **self.environment)
        self.wait_for_port()
        status = json.loads(self.manage("clusterctl", "status", "--json"))
        self.worker_pids = [worker["pid"] for worker in status["workers"]]
        # Not while connects are measured.
        self.token()

    @property
    def worker_pid(self) -> int:
        return int(self.worker_pids[0])

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

    def connect(self, crowd: Crowd, source: str | None = None) -> Client:
        if self.transport == "native":
            client = crowd.add(
                open_websocket("127.0.0.1", self.port, "/ws/v1", subprotocol="reaktor.v1", source=source), b'"ok":true'
            )
            client.request("hello", token=self.token())
            crowd.pump(lambda: client.seen >= 1, 10)
            client.request("channel.join", self.channel)
            crowd.pump(lambda: client.seen >= 2, 10)
            return client
        revision = self.transport.removeprefix("eio")
        path = f"/socket.io/?EIO={revision}&transport=websocket&token={self.token()}"
        client = crowd.add(open_websocket("127.0.0.1", self.port, path, source=source), b'["logged_in"')
        if revision == "4":
            client.send(b"40{}")
        crowd.pump(lambda: client.seen >= 1, 10)
        return client

    def join_all(self) -> None:
        """Socket.IO sessions of one user join together, over REST."""
        if self.transport != "native":
            url = f"http://127.0.0.1:{self.port}/channels/{self.channel}/join"
            httpx.post(url, headers={"Authorization": f"Bearer {self.token()}"}, timeout=60).raise_for_status()

    def post(self, client: Client, text: str, number: int) -> None:
        if self.transport == "native":
            client.request(
                "message.send", self.channel, text=text, nonce=f"{os.getpid()}-{time.monotonic_ns()}-{number}"
            )
        else:
            body = json.dumps(["message:post", {"channel": self.channel, "message": text}])
            client.send(f"42{number}{body}".encode())


class NodeSocketIO(Server):
    """Node with a Socket.IO server of one generation; posts are not stored."""

    marker = b'42["message:post"'

    def __init__(self, library: str) -> None:
        super().__init__()
        self.library = library
        self.name = f"node, {library}"

    def start(self) -> None:
        if not (PEERS / "node_modules").exists():
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--no-save"], cwd=PEERS, check=True)
        self.spawn(["node", str(PEERS / "socketio_server.cjs"), self.library, str(self.port)])
        self.wait_for_port()

    def connect(self, crowd: Crowd) -> Client:
        revision = 3 if self.library == "sio17" else 4
        path = f"/socket.io/?EIO={revision}&transport=websocket"
        client = crowd.add(open_websocket("127.0.0.1", self.port, path), b'["logged_in"')
        if revision == 4:
            client.send(b"40")
        crowd.pump(lambda: client.seen >= 1, 10)
        return client

    def post(self, client: Client, text: str, number: int) -> None:
        client.send(f"42{number}{json.dumps(['message:post', {'channel': CHANNEL, 'message': text}])}".encode())


class ChannelsTutorial(Server):
    """Daphne and Channels as the tutorial shows them, over the pub/sub layer; posts are not stored."""

    name = "channels tutorial"
    marker = b'"text"'

    def start(self) -> None:
        redis_port = free_port()
        self.redis = subprocess.Popen(
            [find_executable(), "--port", str(redis_port), "--save", "", "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
        )
        self.spawn(
            [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", str(self.port), "-v", "0",
             # As everywhere here: the load generator answers no pings.
             "--ping-interval", "3600", "--ping-timeout", "3600",
             "benchmarks.peers.channels_tutorial:application"],
            REDIS_URL=f"redis://127.0.0.1:{redis_port}/0",
        )  # fmt: skip
        self.wait_for_port()

    def connect(self, crowd: Crowd) -> Client:
        return crowd.add(open_websocket("127.0.0.1", self.port, "/"), self.marker)

    def post(self, client: Client, text: str, number: int) -> None:
        client.send(json.dumps({"text": text}).encode())

    def __exit__(self, *exc: object) -> None:
        super().__exit__(*exc)
        self.redis.terminate()
        self.redis.wait(10)
