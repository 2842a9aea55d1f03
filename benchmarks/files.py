"""What files cost a worker and everybody else: people send and read large files, some slowly, while others post.

`python -m benchmarks.files`: one worker; SENDERS send MEGABYTES each, as fast as they are taken, and READERS read as
much at READ_RATE. Another person posts over REST all the time, before and meanwhile, in ROUNDS. It prints the worker's
memory at rest and at its highest, how long the sending took, and how long the posts took (median, 99 of 100).

They begin one after the other, 20 a second. `--apart 0` has all begin in the same moment: most of the slowest posts are
then from that one.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import os
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing import Event, Process
from typing import NamedTuple

from benchmarks.servers import Reaktor, memory_kib, pin

MIB = 1024 * 1024
CHUNK = 64 * 1024
POST_EVERY_S = 0.05
LOOK_EVERY_S = 0.02
ANSWER_S = 300.0
ROUND_S = 10.0
READY_S = 1.0
GO = Event()


class Measured(NamedTuple):
    """Of one round. `highest_kib`: the worker's memory. `sent_s`: after how long the last sender was done."""

    took_s: list[float]
    highest_kib: int
    sent_s: float


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


def begin(after_s: float, work: Callable[..., object], *args: object) -> None:
    """In a process of its own: wait until all are ready, and then so long."""
    GO.wait()
    time.sleep(after_s)
    work(*args)


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


def measured(posts: Posts, senders: list[Process], readers: list[Process], pid: int, at_least_s: float) -> Measured:
    """Let all of it run. Posts count while all of it goes on: until the last sender is done."""
    for each in senders + readers:
        each.start()
    # They are ready: to fork them meanwhile would hold up whoever posts.
    time.sleep(READY_S)
    highest = memory_kib(pid)
    poster = threading.Thread(target=posts.run)
    poster.start()
    began = time.monotonic()
    GO.set()
    counted, sent_s = 0, 0.0
    while any(each.is_alive() for each in senders + readers) or time.monotonic() - began < at_least_s:
        highest = max(highest, memory_kib(pid))
        if any(each.is_alive() for each in senders):
            counted, sent_s = len(posts.took_s), time.monotonic() - began
        time.sleep(LOOK_EVERY_S)
    posts.stop()
    poster.join()
    GO.clear()
    if any(each.exitcode for each in senders + readers):
        raise RuntimeError("somebody could not send or read")
    return Measured(posts.took_s[:counted] if senders else posts.took_s, highest, sent_s)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--senders", type=int, default=10)
    parser.add_argument("--readers", type=int, default=10)
    parser.add_argument("--megabytes", type=int, default=25)
    parser.add_argument("--read-rate", type=int, default=2 * MIB, help="bytes a second of each reader")
    parser.add_argument("--rounds", type=int, default=6)
    parser.add_argument("--apart", type=float, default=0.05, help="seconds from one's beginning to the next one's")
    options = parser.parse_args()
    size = options.megabytes * MIB
    with Reaktor() as server:
        # The worker has the other core: who sends and reads is on another machine.
        pin(os.getpid(), (os.cpu_count() or 1) - 1)
        pid, port = server.worker_pid, server.port
        tokens = server.users(options.senders + 1)
        poster, people = tokens[0], tokens[1:]
        # Once before, so that what is only loaded once is not counted.
        known = send(port, poster, size)
        read(port, poster, known, size, 100 * MIB)
        calm: list[Measured] = []
        busy: list[Measured] = []
        for _ in range(options.rounds):
            # In turn: on a machine with other work both have their share of it.
            calm.append(measured(Posts(port, poster), [], [], pid, ROUND_S))
            turns = (options.apart * number for number in itertools.count())
            senders = [Process(target=begin, args=(next(turns), send, port, token, size)) for token in people]
            reading = (read, port, poster, known, size, options.read_rate)
            readers = [Process(target=begin, args=(next(turns), *reading)) for _ in range(options.readers)]
            busy.append(measured(Posts(port, poster), senders, readers, pid, ROUND_S))
    print(f"{options.senders} send and {options.readers} read {options.megabytes} MiB each, {options.rounds} rounds")
    at_rest, highest = calm[0].highest_kib / 1024, max(each.highest_kib for each in busy) / 1024
    print(f"memory of the worker: {at_rest:.1f} MiB at rest, {highest:.1f} MiB at its highest")
    sent_s = sorted(each.sent_s for each in busy)
    print(f"all had sent after {', '.join(f'{each:.1f}' for each in sent_s)} s")
    slow: list[float] = []
    for name, rounds in (("calm", calm), ("with files", busy)):
        took_s = [each for found in rounds for each in found.took_s]
        slow.append(percentile(took_s, 0.99))
        each_round = ", ".join(f"{percentile(found.took_s, 0.99) * 1000:.1f}" for found in rounds)
        print(
            f"posts {name}: {len(took_s)}, median {percentile(took_s, 0.5) * 1000:.1f} ms, "
            f"p99 {slow[-1] * 1000:.1f} ms (rounds: {each_round})"
        )
    print(f"p99 with files, times calm: {slow[1] / slow[0]:.2f}")


if __name__ == "__main__":
    main()
