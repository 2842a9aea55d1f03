"""The servers beside ours: peers that do the least a chat server can do, and the floor below all of them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import subprocess
import sys
from pathlib import Path

from benchmarks.load import Client
from benchmarks.servers import STOP_S, Opening, Served, Server, socketio_post
from reaktor.cluster.redis import find_executable
from tests.support.ports import free_port

PEERS = Path(__file__).resolve().parent / "peers"
NODE_SECRET = b"benchmark"
INSTALL_S = 180.0


class NodeSocketIO(Server):
    """Node with a Socket.IO server of one generation, and REST by Express; posts are not stored."""

    marker = b'42["message:post"'
    ack_marker = b"[{}]"

    def __init__(self, library: str) -> None:
        super().__init__()
        self.library = library
        self.name = f"node, {library}"
        self._made = 0

    def start(self) -> None:
        wanted = json.loads((PEERS / "package.json").read_text())["dependencies"]
        if not all((PEERS / "node_modules" / name).exists() for name in wanted):
            command = ["npm", "install", "--no-audit", "--no-fund", "--no-save", "--no-package-lock"]
            subprocess.run(command, cwd=PEERS, check=True, capture_output=True, timeout=INSTALL_S)
        self.spawn(["node", str(PEERS / "socketio_server.cjs"), self.library, str(self.port), NODE_SECRET.decode()])
        self.wait_for_port()

    def users(self, count: int) -> list[str]:
        first, self._made = self._made, self._made + count
        return [self.token(f"user{number}") for number in range(first, self._made)]

    def token(self, name: str = "bench") -> str:
        """A JSON Web Token, as the original has them."""
        parts = (json.dumps(part, separators=(",", ":")).encode() for part in ({"alg": "HS256"}, {"name": name}))
        said = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = base64.urlsafe_b64encode(hmac.digest(NODE_SECRET, said, hashlib.sha256)).rstrip(b"=")
        return (said + b"." + signature).decode()

    def opening(self) -> Opening:
        revision = 3 if self.library == "sio17" else 4
        token = self.user or self.token()
        path = f"/socket.io/?EIO={revision}&transport=websocket&channel={self.channel}&token={token}"
        return Opening(path, b'["logged_in"', b"40" if revision == 4 else b"")

    def post(self, client: Client, text: str, number: int) -> None:
        socketio_post(client, self.channel, text, number)


class ChannelsTutorial(Server):
    """Daphne and Channels as the tutorial shows them, over the pub/sub layer; posts are not stored."""

    name = "channels tutorial"
    marker = b'"text"'

    def __init__(self) -> None:
        super().__init__()
        self._redis: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        redis_port = free_port()
        self._redis = subprocess.Popen(
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

    @property
    def pids(self) -> list[int]:
        return [*super().pids, *([self._redis.pid] if self._redis is not None else [])]

    def opening(self) -> Opening:
        return Opening("/", b"")

    def post(self, client: Client, text: str, number: int) -> None:
        client.send(json.dumps({"text": text}).encode())

    def __exit__(self, *exc: object) -> None:
        try:
            super().__exit__(*exc)
        finally:
            if self._redis is not None:
                self._redis.kill()
                self._redis.wait(STOP_S)


class BareSend(Server):
    """No server: for each byte that comes from one connection, a ready-made frame is sent to all the others."""

    name = "bare send()"
    marker = b'"message.new"'
    tells_text = False

    def start(self) -> None:
        self.spawn([sys.executable, "-m", "benchmarks.peers.bare_send", str(self.port)])
        self.wait_for_port()

    def opening(self) -> Opening:
        return Opening("/", b"")

    def post(self, client: Client, text: str, number: int) -> None:
        del text, number
        client.sock.setblocking(True)
        client.sock.sendall(b"x")
        client.sock.setblocking(False)


class BareHttp(Served):
    """No server: each request is answered with the same ready-made bytes. What the load generator can ask at most."""

    name = "ready-made answers"

    def start(self) -> None:
        self.spawn([sys.executable, "-m", "benchmarks.peers.bare_http", str(self.port)])
        self.wait_for_port()
