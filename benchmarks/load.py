"""The load generator: many WebSocket clients in one thread, cheap enough to outrun the server it measures.

Raw sockets on one epoll; received frames are counted by a marker in the bytes, not parsed. recv() takes 64 KiB: larger
buffers are mapped anew on each call, which halves what can be measured.
"""

from __future__ import annotations

import base64
import json
import os
import re
import selectors
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from reaktor.web.websocket_frames import Opcode, encode_frame

RECV_BYTES = 64 * 1024
ANSWER_S = 30.0


@dataclass(slots=True)
class Client:
    """One connection: counts `marker` in what it receives, keeps the latencies of texts that carry a time."""

    sock: socket.socket
    marker: bytes
    seen: int = 0
    received_bytes: int = 0
    tail: bytes = b""
    crowd: Crowd | None = None
    latencies: list[float] = field(default_factory=list)
    wants_latency: bool = False

    def send(self, payload: bytes) -> None:
        self.sock.setblocking(True)
        self.sock.sendall(encode_frame(Opcode.TEXT, payload, mask=os.urandom(4)))
        self.sock.setblocking(False)

    def request(self, op: str, channel: str | None = None, **data: object) -> None:
        frame: dict[str, object] = {"id": 1, "op": op, "data": data}
        if channel is not None:
            frame["channel"] = channel
        self.send(json.dumps(frame).encode())

    def take(self, data: bytes) -> None:
        self.received_bytes += len(data)
        window = self.tail + data
        found = window.count(self.marker)
        self.seen += found
        if self.crowd is not None:
            self.crowd.counted += found
        # A marker that ends inside the tail was counted already; keep one byte less than its length.
        self.tail = window[-(len(self.marker) - 1) :]
        if self.wants_latency:
            now = time.monotonic()
            self.latencies.extend(now - float(each) for each in TIMES.findall(data))


TIMES = re.compile(rb"@(\d+\.\d{6})@")


def open_websocket(
    host: str, port: int, path: str, *, subprotocol: str | None = None, source: str | None = None
) -> tuple[socket.socket, bytes]:
    """A connected WebSocket, blocking, and what came behind the handshake. Raises ConnectionError when refused."""
    sock = socket.create_connection((host, port), source_address=(source, 0) if source else None, timeout=30)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    key = base64.b64encode(os.urandom(16)).decode()
    protocol = f"Sec-WebSocket-Protocol: {subprotocol}\r\n" if subprotocol else ""
    sock.sendall(
        f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n{protocol}\r\n".encode()
    )
    answer = b""
    while b"\r\n\r\n" not in answer:
        data = sock.recv(4096)
        if not data:
            raise ConnectionError(f"closed during the handshake: {answer[:200]!r}")
        answer += data
    head, _, rest = answer.partition(b"\r\n\r\n")
    if b" 101 " not in head.split(b"\r\n", 1)[0]:
        raise ConnectionError(head.split(b"\r\n", 1)[0].decode())
    return sock, rest


class Crowd:
    """Clients on one selector; pump() reads until a condition holds or the deadline passes."""

    def __init__(self) -> None:
        self.selector = selectors.DefaultSelector()
        self.clients: list[Client] = []
        self.counted = 0

    def add(self, opened: tuple[socket.socket, bytes], marker: bytes) -> Client:
        """A client on what open_websocket() returned."""
        sock, rest = opened
        client = Client(sock, marker)
        client.take(rest)
        sock.setblocking(False)
        self.selector.register(sock, selectors.EVENT_READ, client)
        self.clients.append(client)
        return client

    def pump(self, until: Callable[[], bool], deadline_s: float) -> bool:
        """Read what comes; True when `until` held, False at the deadline. Raises ConnectionError."""
        deadline = time.monotonic() + deadline_s
        while not until():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.read(min(left, 0.1))
        return True

    def read(self, longest_s: float) -> list[Client]:
        """Wait for something to come, and take it; the clients that got something."""
        got = []
        for key, _ in self.selector.select(longest_s):
            try:
                data = key.fileobj.recv(RECV_BYTES)  # type: ignore[union-attr]
            except BlockingIOError:
                continue
            if not data:
                raise ConnectionError("a client was cut off")
            key.data.take(data)
            got.append(key.data)
        return got

    def count(self, clients: list[Client], marker: bytes) -> None:
        """From now on `counted` adds up how often the marker comes to these clients."""
        self.counted = 0
        for client in clients:
            client.marker, client.tail, client.seen, client.crowd = marker, b"", 0, self

    def wait(self, client: Client, seen: int, deadline_s: float = ANSWER_S) -> None:
        """Until so many markers came to this client. Raises TimeoutError."""
        if not self.pump(lambda: client.seen >= seen, deadline_s):
            raise TimeoutError(f"a client was not answered in {deadline_s:.0f} s")

    def drop(self, client: Client) -> None:
        """Close one connection; nobody is told of it but by TCP."""
        self.selector.unregister(client.sock)
        client.sock.close()
        self.clients = [other for other in self.clients if other is not client]

    def close(self) -> None:
        for client in list(self.clients):
            self.drop(client)
