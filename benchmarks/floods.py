"""What floods cost everybody else: `python -m benchmarks.floods [--without] [--only WORD] [--seconds 4]`.

Twenty quiet users post and read, one post each 50 ms, while somebody else floods the same worker: two sockets of one
user as fast as they can, or one address over 80 kept-alive connections, without an account or as one user. Printed for
each flood: the quiet users' latency (p50 and p99) just before and meanwhile, the ratio of the two p99, the share of its
core that the worker used, and what came of the flood: how often its sockets were cut, or the answers by status.

`--without` lifts the limits against floods, and shows what they are worth. `--channels 50000` adds so many channels,
for those that list and search them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import selectors
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import httpx

from benchmarks.http_load import whole_answer
from benchmarks.load import open_websocket
from benchmarks.quiet import Quiet
from benchmarks.rounds import cpu_s, percentile
from benchmarks.servers import CHANNEL, Reaktor
from reaktor.web.websocket_frames import Opcode, encode_frame

QUIET_USERS = 20
WARM_UP_S = 3.0
CONNECTIONS = 80
FLOOD_ADDRESS = "127.0.0.2"
PASSWORD = "correct horse battery"
BATCH_BYTES = 32 * 1024
LIFTED = {"LIMIT_FRAMES": "100000000/1s", "LIMIT_INCOMING_BYTES": "1000000000/1s", "LIMIT_REFUSALS": "100000000/1s"}
LIFTED |= {f"LIMIT_{name}": "100000000/1s" for name in ("REQUESTS_PER_ADDRESS", "REQUESTS_PER_USER", "LISTS")}


@dataclass(frozen=True)
class Place:
    """Where to flood, and as whom."""

    port: int
    token: str
    seed_token: str


@dataclass
class Got:
    """What came of a flood: cut connections, and answers by their status."""

    cut: int = 0
    statuses: dict[str, int] = field(default_factory=dict)


# -- Two sockets of one user --------------------------------------------------------------------------------------


MASK = os.urandom(4)


def text(payload: str) -> bytes:
    return encode_frame(Opcode.TEXT, payload.encode(), mask=MASK)


def native(op: str, **data: object) -> bytes:
    return text(json.dumps({"id": 1, "op": op, "channel": CHANNEL, "data": data}))


BEGUN = encode_frame(Opcode.TEXT, b"x", is_final=False, mask=MASK)
FRAMES: dict[str, bytes] = {
    "empty parts": encode_frame(Opcode.CONTINUATION, b"", is_final=False, mask=MASK),
    "ping frames": encode_frame(Opcode.PING, b"", mask=MASK),
    "pong frames": encode_frame(Opcode.PONG, b"", mask=MASK),
    "op pong": text('{"op":"pong"}'),
    "channel.list": native("channel.list"),
    "typing": native("typing", on=True),
    "message.send": native("message.send", text="hi", nonce="1"),
    "large frames": native("typing", on=True, padding="x" * 60_000),
    "Socket.IO message:post": text('42["message:post",{"channel":"general","message":"hi"}]'),
}


def native_socket(place: Place) -> socket.socket:
    sock, _ = open_websocket("127.0.0.1", place.port, "/ws/v1", subprotocol="reaktor.v1", source=FLOOD_ADDRESS)
    sock.sendall(text(json.dumps({"id": 0, "op": "hello", "data": {"token": place.token}})))
    sock.sendall(native("channel.join"))
    return read_until(sock, b'"re":1,"ok":true')


def socketio_socket(place: Place) -> socket.socket:
    path = f"/socket.io/?EIO=4&transport=websocket&token={place.seed_token}"
    sock, _ = open_websocket("127.0.0.1", place.port, path, source=FLOOD_ADDRESS)
    sock.sendall(text("40{}"))
    return read_until(sock, b'["logged_in"')


def read_until(sock: socket.socket, marker: bytes) -> socket.socket:
    """What floods is a live session. Raises OSError when it is refused."""
    seen = b""
    while marker not in seen:
        data = sock.recv(65_536)
        if not data:
            sock.close()
            raise ConnectionError(seen[-200:])
        seen += data
    return sock


def flood_sockets(place: Place, name: str, seconds: float) -> Got:
    """Two sockets, which come back as soon as they are cut."""
    frame, got = FRAMES[name], Got()
    opened = socketio_socket if name.startswith("Socket.IO") else native_socket
    each = max(BATCH_BYTES // len(frame), 1)
    batch = frame * each
    deadline = time.monotonic() + seconds
    selector = selectors.DefaultSelector()
    while time.monotonic() < deadline:
        while len(selector.get_map()) < 2 and time.monotonic() < deadline:
            try:
                sock = opened(place)
            except OSError:
                time.sleep(0.05)  # refused: at once again would measure the refusals of connections
                continue
            if name == "empty parts":
                sock.sendall(BEGUN)
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, [batch])
        for key, events in selector.select(0.1):
            _push(selector, key, events, batch, got)
    return got


def _push(selector: selectors.BaseSelector, key: selectors.SelectorKey, events: int, batch: bytes, got: Got) -> None:
    sock: socket.socket = key.fileobj  # type: ignore[assignment]
    try:
        if events & selectors.EVENT_READ and not sock.recv(65_536):
            raise ConnectionError
        if events & selectors.EVENT_WRITE:
            done = sock.send(key.data[0])
            key.data[0] = key.data[0][done:] or batch
    except BlockingIOError:
        return
    except OSError:
        got.cut += 1
        selector.unregister(sock)
        sock.close()


# -- One address --------------------------------------------------------------------------------------------------

PATHS = {
    "GET /": "/",
    "401": "/api/v1/channels",
    "404": "/api/v1/nothing",
    "static file": "/static/chat/main.js",
    "schema": "/api/v1/schema",
    "Socket.IO bad sid": "/socket.io/?EIO=4&transport=polling&sid=nothing",
    "no such file": "/static/nothing.js",
}
LISTS = {
    "list over REST": "/api/v1/channels",
    "list of the seed contract": "/channels",
    "search of names": "/api/v1/channels?search=nothing",
    "search for a letter": "/api/v1/channels?search=z",
}
"""By a user, not by an address alone."""


def flood_address(place: Place, name: str, seconds: float) -> Got:
    """Requests one after another on each of the connections, opened anew when they end."""
    token = f"Authorization: Bearer {place.token}\r\n" if name in LISTS else ""
    request = f"GET {(PATHS | LISTS)[name]} HTTP/1.1\r\nHost: 127.0.0.1:{place.port}\r\n{token}\r\n".encode()
    got, selector, deadline = Got(), selectors.DefaultSelector(), time.monotonic() + seconds
    while time.monotonic() < deadline:
        while len(selector.get_map()) < CONNECTIONS and time.monotonic() < deadline:
            sock = socket.create_connection(("127.0.0.1", place.port), 10, source_address=(FLOOD_ADDRESS, 0))
            sock.sendall(request)
            sock.setblocking(False)
            selector.register(sock, selectors.EVENT_READ, bytearray())
        for key, _ in selector.select(0.1):
            sock = key.fileobj  # type: ignore[assignment]
            try:
                if not (data := sock.recv(65_536)):
                    raise ConnectionError
                key.data.extend(data)
                if status := whole_answer(key.data):
                    got.statuses[status] = got.statuses.get(status, 0) + 1
                    sock.send(request)
            except BlockingIOError:
                continue
            except OSError:
                got.cut += 1
                selector.unregister(sock)
                sock.close()
    return got


# -- The others ---------------------------------------------------------------------------------------------------


Flood = Callable[[Place, str, float], Got]
FLOODS: list[tuple[str, Flood]] = [
    *((name, flood_sockets) for name in FRAMES),
    *((name, flood_address) for name in (*PATHS, *LISTS)),
]


def _in_child(flood: Flood, place: Place, name: str, seconds: float, answer: multiprocessing.Queue[Got]) -> None:
    os.nice(10)
    with suppress(KeyboardInterrupt):
        answer.put(flood(place, name, seconds))


@contextmanager
def flooding(flood: Flood, place: Place, name: str, seconds: float) -> Iterator[Callable[[], Got]]:
    """A process that floods meanwhile; the value is asked for what it got."""
    answer: multiprocessing.Queue[Got] = multiprocessing.Queue()
    child = multiprocessing.Process(target=_in_child, args=(flood, place, name, seconds, answer))
    child.start()
    try:
        yield lambda: answer.get(timeout=30)
    finally:
        child.terminate()
        child.join(10)


def registered(server: Reaktor, name: str) -> str:
    with httpx.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30) as http:
        made = http.post("/api/v1/accounts", json={"username": name, "password": PASSWORD})
        return str(made.raise_for_status().json()["access"])


def add_channels(server: Reaktor, count: int) -> None:
    server.manage(
        "shell",
        "--verbosity",
        "0",
        "-c",
        "from chat.models import Channel\n"
        "from chat.models.folding import folded\n"
        f"names = [f'channel an {{n}} of many' for n in range({count})]\n"
        "Channel.objects.bulk_create([Channel(key=f'many-{n}', name=name, name_folded=folded(name), kind='public') "
        "for n, name in enumerate(names)], batch_size=1000)",
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--without", action="store_true", help="lift the limits against floods")
    parser.add_argument("--only", default="", help="the floods whose name contains this")
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--channels", type=int, default=0)
    options = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    server = Reaktor()
    server.environment |= {"LIMITS": "on", **(LIFTED if options.without else {})}
    with server:
        if options.channels:
            add_channels(server, options.channels)
        quiet = Quiet(server.port, [registered(server, f"quiet{number}") for number in range(QUIET_USERS)])
        token = registered(server, "flooder")
        body = {"name": "flooder", "password": PASSWORD}
        login = httpx.post(f"http://127.0.0.1:{server.port}/auth/login", json=body, timeout=30)
        place = Place(server.port, token, login.raise_for_status().json()["token"])
        print("| flood | calm p50 / p99 ms | meanwhile | ratio of p99 | core | came of it, a second |")
        print("| --- | --- | --- | --- | --- | --- |")
        quiet.latencies(1.0)
        for name, flood in FLOODS:
            if options.only in name:
                print(row(server, quiet, place, name, flood, options.seconds), flush=True)
        quiet.crowd.close()


def middle_and_worst(latencies: list[float]) -> tuple[float, float]:
    """p50 and p99, in milliseconds."""
    return percentile(latencies, 0.5) * 1000, percentile(latencies, 0.99) * 1000


def row(server: Reaktor, quiet: Quiet, place: Place, name: str, flood: Flood, seconds: float) -> str:
    time.sleep(1.0)  # what the flood before has left in the queues is done by then
    calm = middle_and_worst(quiet.latencies(seconds))
    with flooding(flood, place, name, seconds + WARM_UP_S) as outcome:
        time.sleep(WARM_UP_S)  # what may come at once has come then
        before, started = cpu_s([server.worker_pid]), time.monotonic()
        meanwhile = middle_and_worst(quiet.latencies(seconds))
        core = (cpu_s([server.worker_pid]) - before) / (time.monotonic() - started)
        got = outcome()
    rate = {status: count / (seconds + WARM_UP_S) for status, count in sorted(got.statuses.items())}
    through = ", ".join(f"{count:.0f} × {status}" for status, count in rate.items())
    through = through or f"cut {got.cut} times"
    return (
        f"| {name} | {calm[0]:.1f} / {calm[1]:.1f} | {meanwhile[0]:.1f} / {meanwhile[1]:.1f} "
        f"| {meanwhile[1] / max(calm[1], 0.001):.1f} | {core:.0%} | {through} |"
    )


if __name__ == "__main__":
    main()
