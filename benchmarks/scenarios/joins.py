"""P5, joins: users come one after the other into a channel, and all who are there are told. Beside Node."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from benchmarks.fanout import settle
from benchmarks.http_load import ask, bearer, request
from benchmarks.journal import Journal
from benchmarks.load import ANSWER_S, Crowd
from benchmarks.report import Section, Table, Verdict, at_least, beside, ratio, rows
from benchmarks.rounds import Round, Watch
from benchmarks.scale import Scale
from benchmarks.scenarios.deliveries import EIO3, NATIVE, ORIGINAL, SERVERS
from benchmarks.servers import NOWHERE, Reaktor, Server

COMPARED = (NATIVE, EIO3, ORIGINAL)
LONGEST_S = 60.0
WANTED = {200: 1, 1_000: 3}
"""Times the original's, by members: for other sizes there are no targets."""
Found = Mapping[str, Mapping[int, Round] | None]


def run(scale: Scale, journal: Journal) -> Section:
    found = {name: journal.measure(f"joins, {name}", partial(measure, SERVERS[name], scale)) for name in COMPARED}
    return section(scale.members, found, journal)


def measure(make: Callable[[], Server], scale: Scale) -> dict[int, Round]:
    with make() as server:
        server.make_channels([f"joined{members}" for members in (0, *scale.members)])
        tokens = server.users(max(scale.members) + scale.joins)
        _joins(server, "joined0", tokens, 0, scale.joins // 2)  # until the server's code is warm
        return {members: _joins(server, f"joined{members}", tokens, members, scale.joins) for members in scale.members}


def _joins(server: Server, channel: str, tokens: Sequence[str], members: int, joins: int) -> Round:
    """`joins` users come one after the other; done when the members have heard of all of them."""
    inside, coming = tokens[:members], tokens[members : members + joins]
    with _connected(server, channel, inside) as crowd, _connected(server, NOWHERE, coming) as others:
        crowd.count(crowd.clients, b'"member.joined"' if _is_native(server) else b'"user : joined"')
        watch = Watch(server.pids)
        if _is_native(server):
            for client in others.clients:
                client.request("channel.join", channel)
                others.wait(client, 2)
        else:
            _join_over_rest(server, channel, coming, 1)
        wanted = joins * members
        if not crowd.pump(lambda: crowd.counted >= wanted, ANSWER_S):
            raise RuntimeError(f"the members heard of {crowd.counted} of {wanted} joins")
        return watch.read(joins)


def _is_native(server: Server) -> bool:
    return isinstance(server, Reaktor) and server.transport == "native"


@contextmanager
def _connected(server: Server, channel: str, tokens: Sequence[str]) -> Iterator[Crowd]:
    crowd = Crowd()
    try:
        for token in tokens:
            server.use(channel, token)
            server.connect(crowd)
        if channel and isinstance(server, Reaktor) and not _is_native(server):
            _join_over_rest(server, channel, tokens, 8)
        settle(crowd)
        yield crowd
    finally:
        crowd.close()


def _join_over_rest(server: Server, channel: str, tokens: Sequence[str], at_once: int) -> None:
    requests = (request(server.port, "POST", f"/channels/{channel}/join", bearer(token)) for token in tokens)
    ask(server.port, requests, [], seconds=LONGEST_S, connections=at_once)


def section(sizes: Sequence[int], found: Found, journal: Journal) -> Section:
    columns = ("server", *(text for size in sizes for text in (f"of {size} members, joins/s", "processor, µs each")))
    base = found.get(ORIGINAL)

    def cells(each: Mapping[int, Round]) -> list[str]:
        said = []
        for size in sizes:
            said += [beside(each[size].per_s, base[size].per_s if base else None), f"{each[size].cpu_us:,.0f}"]
        return said

    return Section(
        "Joins",
        "Each user has a session already, and joins when the one before has joined: natively by `channel.join`, else "
        "by the POST of the seed contract. All members are told. A first join is stored here; Node stores nothing.",
        [Table("", columns, rows(len(columns), found, cells))],
        verdicts=_verdicts(sizes, found),
        failures=journal.failures,
    )


def _verdicts(sizes: Sequence[int], found: Found) -> list[Verdict]:
    verdicts = []
    base = found.get(ORIGINAL)
    for name in (NATIVE, EIO3):
        each = found.get(name)
        for size in (each for each in sizes if each in WANTED):
            times = ratio(each[size].per_s if each else None, base[size].per_s if base else None)
            verdicts.append(at_least("P5", f"joins of {size} members, {name}: × Node 1.7", WANTED[size], times))
    return verdicts
