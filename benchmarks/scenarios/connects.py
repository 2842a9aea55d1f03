"""P5, connects: a session each, one after the other and many at once. Beside Node."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from benchmarks.journal import Journal
from benchmarks.report import Section, Table, at_least, beside, of, ratio, rows
from benchmarks.rounds import Round, Watch
from benchmarks.scale import Scale
from benchmarks.scenarios.deliveries import NEWER, ORIGINAL, OURS, SERVERS
from benchmarks.servers import NOWHERE, Server
from reaktor.web.websocket_frames import Opcode, encode_frame

AT_ONCE = 50
WARM_SHARE = 4
"""So small a part of the connects is made beforehand, until the server's code is warm."""
COMPARED = (*OURS, ORIGINAL, NEWER)
COLUMNS = (
    "server",
    "one after the other, a second",
    "processor, µs each",
    f"{AT_ONCE} at once, a second",
    "processor, µs each",
)


@dataclass(frozen=True)
class Connects:
    alone: Round
    at_once: Round


def run(scale: Scale, journal: Journal) -> Section:
    found = {
        name: journal.measure(f"connects, {name}", partial(measure, SERVERS[name], scale.connects))
        for name in scale.chosen(COMPARED)
    }
    return section(found, journal)


def measure(make: Callable[[], Server], count: int) -> Connects:
    opened: list[socket.socket] = []
    with make() as server:
        server.use(NOWHERE)
        try:
            _connect(server, count // WARM_SHARE, 1, opened)
            return Connects(_connect(server, count, 1, opened), _connect(server, count, AT_ONCE, opened))
        finally:
            for sock in opened:
                sock.close()


def _connect(server: Server, count: int, at_once: int, opened: list[socket.socket]) -> Round:
    """The sessions stay: the end of those before would be measured with the rest."""
    with ThreadPoolExecutor(at_once) as threads:
        watch = Watch(server.pids)
        opened += threads.map(greeted, [server] * count)
        return watch.read(count)


def greeted(server: Server) -> socket.socket:
    """A session that the server has greeted."""
    opening = server.opening()
    sock, heard = server.dial()
    if opening.said:
        sock.sendall(encode_frame(Opcode.TEXT, opening.said, mask=os.urandom(4)))
    while opening.greeted not in heard:
        data = sock.recv(4096)
        if not data:
            raise ConnectionError(f"closed before the greeting: {heard[-200:]!r}")
        heard += data
    return sock


def _alone(connects: Connects) -> float:
    return connects.alone.per_s


def _at_once(connects: Connects) -> float:
    return connects.at_once.per_s


def section(found: Mapping[str, Connects | None], journal: Journal) -> Section:
    base = found.get(ORIGINAL)

    def cells(each: Connects) -> list[str]:
        said = []
        for mine, other in ((each.alone, of(base, _alone)), (each.at_once, of(base, _at_once))):
            said += [beside(mine.per_s, other), f"{mine.cpu_us:,.0f}"]
        return said

    verdicts = []
    for name in OURS:
        each = found.get(name)
        for what, least, figure in (("one after the other", 0.5, _alone), (f"{AT_ONCE} at once", 1, _at_once)):
            times = ratio(of(each, figure), of(base, figure))
            verdicts.append(at_least("P5", f"connects, {name}, {what}: × Node 1.7", least, times))
    return Section(
        "Connects",
        "From the TCP connection to the greeting: the answer to `hello`, or `logged_in` of Socket.IO over a WebSocket. "
        "In brackets: times the Node server with socket.io 1.7, which checks its token, too.",
        [Table("", COLUMNS, rows(len(COLUMNS), found, cells))],
        verdicts=verdicts,
        failures=journal.failures,
    )
