"""The load generator for HTTP: requests one after another on each of some connections, on one epoll.

Answers are told apart by their Content-Length, and not read beyond their status. What it can ask at most is measured
beside what is measured with it (benchmarks.peers.bare_http).
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence

from benchmarks.load import ANSWER_S, RECV_BYTES
from benchmarks.rounds import Round, Watch

CONNECTIONS = 8
LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)


def request(port: int, method: str, path: str, headers: str, body: bytes = b"") -> bytes:
    """The bytes of a request; `headers`: what says who asks, a line."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{headers}\r\n"
    if body:
        head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


def bearer(token: str) -> str:
    """The header with a token."""
    return f"Authorization: Bearer {token}"


def ask(
    port: int, requests: Iterator[bytes], pids: Sequence[int], *, seconds: float, connections: int = CONNECTIONS
) -> Round:
    """As many of the requests as are answered in so long, or all there are. Raises RuntimeError for a refusal."""
    selector, statuses = selectors.DefaultSelector(), Counter[str]()
    watch, deadline = Watch(pids), time.monotonic() + seconds
    try:
        for first in (next(requests, None) for _ in range(connections)):
            if first is not None:
                sock = socket.create_connection(("127.0.0.1", port), ANSWER_S)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(first)
                selector.register(sock, selectors.EVENT_READ, bytearray())
        while selector.get_map():
            ready = selector.select(ANSWER_S)
            if not ready:
                raise TimeoutError(f"no answer in {ANSWER_S:.0f} s")
            for key, _ in ready:
                sock = key.fileobj  # type: ignore[assignment]
                data = sock.recv(RECV_BYTES)
                if not data:
                    raise ConnectionError("the server closed a connection")
                key.data.extend(data)
                if status := whole_answer(key.data):
                    statuses[status] += 1
                    following = next(requests, None) if time.monotonic() < deadline else None
                    if following is None:
                        selector.unregister(sock)
                        sock.close()
                    else:
                        sock.sendall(following)
        done = watch.read(statuses.total())
    finally:
        for key in list(selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        selector.close()
    if any(not status.startswith("2") for status in statuses):
        raise RuntimeError(f"answers: {dict(statuses)}")
    return done


def whole_answer(buffer: bytearray) -> str:
    """The status of the answer that the buffer holds, which is then emptied; "" when more is to come."""
    head, end, body = buffer.partition(b"\r\n\r\n")
    found = LENGTH.search(head)
    is_whole = end and (len(body) >= int(found[1]) if found else body.endswith(b"0\r\n\r\n"))
    if not is_whole:
        return ""
    status = head[9:12].decode()
    buffer.clear()
    return status
