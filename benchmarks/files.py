"""What files cost a worker and everybody else: people send and read large files, some slowly, while others post.

`python -m benchmarks.files`: one worker; SENDERS send MEGABYTES each, as fast as they are taken, and READERS read as
much at READ_RATE. Another person posts over REST all the time, before and meanwhile. It prints the worker's memory at
rest and at its highest, and how long the posts took (median, 99 of 100).
"""

from __future__ import annotations

import argparse
import http.client
import json
import multiprocessing
import socket
import threading
import time
from dataclasses import dataclass, field

from benchmarks.servers import Reaktor, memory_kib

MIB = 1024 * 1024
CHUNK = 64 * 1024
POST_EVERY_S = 0.05
LOOK_EVERY_S = 0.02
ANSWER_S = 300.0


@dataclass
class Posts:
    """One person who posts all the time, and how long each post took."""

    port: int
    token: str
    took_s: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        line = http.client.HTTPConnection("127.0.0.1", self.port, timeout=ANSWER_S)
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        count = 0
        while not self._stop.is_set():
            count += 1
            body = json.dumps({"text": "How are you?", "nonce": f"{time.monotonic_ns()} {count}"})
            began = time.monotonic()
            line.request("POST", "/api/v1/channels/general/messages", body, headers)
            answer = line.getresponse()
            answer.read()
            if answer.status != 201:
                raise RuntimeError(f"a post was answered with {answer.status}")
            self.took_s.append(time.monotonic() - began)
            time.sleep(POST_EVERY_S)

    def stop(self) -> None:
        self._stop.set()


def percentile(values: list[float], part: float) -> float:
    return sorted(values)[min(int(len(values) * part), len(values) - 1)]


def send(port: int, token: str, size: int) -> str:
    """Send a file of that many bytes; its id."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_S)
    line.putrequest("POST", "/api/v1/files?name=large.bin")
    line.putheader("Authorization", f"Bearer {token}")
    line.putheader("Content-Length", str(size))
    line.endheaders()
    part = bytes(range(256)) * (CHUNK // 256)
    for _ in range(size // CHUNK):
        line.send(part)
    answer = line.getresponse()
    said = answer.read()
    if answer.status != 201:
        raise RuntimeError(f"a file was answered with {answer.status}: {said!r}")
    return str(json.loads(said)["id"])


def read(port: int, token: str, file_id: str, size: int, rate: int) -> None:
    """Read it all at `rate` bytes a second, with a small window, as over a slow line."""
    with socket.socket() as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
        line.settimeout(ANSWER_S)
        line.connect(("127.0.0.1", port))
        line.sendall(
            f"GET /api/v1/files/{file_id}/large.bin HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        got, began = 0, time.monotonic()
        while got < size:
            chunk = line.recv(CHUNK)
            if not chunk:
                raise RuntimeError(f"a file ended after {got} bytes")
            got += len(chunk)
            time.sleep(max(got / rate - (time.monotonic() - began), 0.0))


def measured(posts: Posts, work: list[multiprocessing.Process], pid: int, at_least_s: float) -> int:
    """Let all of it run; the worker's highest memory meanwhile, in KiB."""
    highest = memory_kib(pid)
    poster = threading.Thread(target=posts.run)
    poster.start()
    began = time.monotonic()
    for each in work:
        each.start()
    while any(each.is_alive() for each in work) or time.monotonic() - began < at_least_s:
        highest = max(highest, memory_kib(pid))
        time.sleep(LOOK_EVERY_S)
    posts.stop()
    poster.join()
    return highest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senders", type=int, default=10)
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=25)
    parser.add_argument("--read-rate", type=int, default=2 * MIB, help="bytes a second of each reader")
    options = parser.parse_args()
    size = options.megabytes * MIB
    with Reaktor() as server:
        pid, port = server.worker_pid, server.port
        tokens = server.users(options.senders + 1)
        poster, people = tokens[0], tokens[1:]
        # Once before, so that what is only loaded once is not counted.
        known = send(port, poster, size)
        read(port, poster, known, size, 100 * MIB)
        calm = Posts(port, poster)
        at_rest = measured(calm, [], pid, 10.0)
        busy = Posts(port, poster)
        # In processes of their own: in threads they would hold up whoever posts.
        work = [multiprocessing.Process(target=send, args=(port, token, size)) for token in people]
        work += [
            multiprocessing.Process(target=read, args=(port, poster, known, size, options.read_rate))
            for _ in range(options.readers)
        ]
        highest = measured(busy, work, pid, 10.0)
    print(f"{options.senders} send and {options.readers} read {options.megabytes} MiB each")
    print(f"memory of the worker: {at_rest / 1024:.1f} MiB at rest, {highest / 1024:.1f} MiB at its highest")
    for name, posts in (("calm", calm), ("with files", busy)):
        median, slow = (percentile(posts.took_s, part) * 1000 for part in (0.5, 0.99))
        print(f"posts {name}: {len(posts.took_s)}, median {median:.1f} ms, p99 {slow:.1f} ms")


if __name__ == "__main__":
    main()
