"""P7: requests a second of one worker. What the original has beside Node; the rest beside what it cost before."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from benchmarks.fanout import TEXT
from benchmarks.http_load import CONNECTIONS, ask, bearer, request
from benchmarks.journal import Journal
from benchmarks.load import Crowd
from benchmarks.peer_servers import BareHttp, NodeSocketIO
from benchmarks.report import FAILED, NOTHING, Section, Table, Verdict, at_least, beside, of, ratio
from benchmarks.rounds import Round, per_s
from benchmarks.scale import Scale
from benchmarks.servers import CHANNEL, Reaktor, Server

MESSAGES = 60
WARM_SHARE = 0.4
"""So long, of a round, each request is asked beforehand: Node compiles what is asked often."""
LEAST_JOINS = 1_200
LEAST_GAIN = 1.5


@dataclass(frozen=True)
class Asked:
    """A request; `body` of its n-th repetition. `before_ms`: the processor time of one before the levers."""

    name: str
    method: str
    path: str
    body: Callable[[int], object] = lambda number: None
    before_ms: float | None = None

    def requests(self, port: int, token: str) -> Iterator[bytes]:
        for number in itertools.count():
            said = self.body(number)
            body = b"" if said is None else json.dumps(said).encode()
            yield request(port, self.method, self.path, bearer(token), body)


JOIN = "POST join"
SEED = (
    Asked("GET channels", "GET", "/channels"),
    Asked("GET 25 messages", "GET", f"/channels/{CHANNEL}/messages?start=0&end=25"),
    Asked(JOIN, "POST", f"/channels/{CHANNEL}/join"),
)
V1 = f"/api/v1/channels/{CHANNEL}"
OTHERS = (
    Asked("/healthz: HTTP itself", "GET", "/healthz"),
    Asked("GET newest 50 messages", "GET", f"{V1}/messages", before_ms=5.3),
    Asked("GET an older page of messages", "GET", f"{V1}/messages?before={MESSAGES}", before_ms=5.3),
    Asked("GET list of channels", "GET", "/api/v1/channels", before_ms=3.4),
    Asked("POST a message", "POST", f"{V1}/messages", lambda n: {"text": TEXT, "nonce": f"rest{n}"}, 4.3),
    Asked("PUT a read marker", "PUT", f"{V1}/read", lambda n: {"number": n % MESSAGES + 1}, 4.3),
)
"""What was measured before the levers, on a machine of this kind: the least of each range."""

Answers = Mapping[str, Round | None]


def run(scale: Scale, journal: Journal) -> Section:
    seconds = scale.round_s / 2
    ceiling = journal.measure("REST, what can be asked at most", partial(measure_ceiling, seconds))
    ours = journal.measure("REST, ours", partial(measure, partial(Reaktor, "native"), [*SEED, *OTHERS], seconds)) or {}
    node = journal.measure("REST, Node", partial(measure, partial(NodeSocketIO, "sio17"), SEED, seconds)) or {}
    return section(ceiling, ours, node, journal)


def measure_ceiling(seconds: float) -> Round:
    with BareHttp() as server:
        return ask(server.port, SEED[0].requests(server.port, "x" * 300), server.pids, seconds=seconds)


def measure(make: Callable[[], Server], asked: Sequence[Asked], seconds: float) -> dict[str, Round]:
    with make() as server:
        crowd = Crowd()
        try:
            member = server.connect(crowd)
            if isinstance(server, Reaktor):
                for number in range(MESSAGES):
                    server.post(member, TEXT, number)
                crowd.wait(member, 2 + MESSAGES)  # behind the answers to hello and the join
            token = server.token() if isinstance(server, (Reaktor, NodeSocketIO)) else ""
            found = {}
            for each in asked:
                requests = each.requests(server.port, token)
                ask(server.port, requests, server.pids, seconds=seconds * WARM_SHARE)
                found[each.name] = ask(server.port, requests, server.pids, seconds=seconds)
            return found
        finally:
            crowd.close()


def section(ceiling: Round | None, ours: Answers, node: Answers, journal: Journal) -> Section:
    most = "" if ceiling is None else f" The load generator asks {ceiling.per_s:,.0f} times a second at most."
    return Section(
        "REST",
        f"{CONNECTIONS} connections that stay, one request after the other on each." + most,
        [_seed_table(ours, node), _others_table(ours)],
        verdicts=_verdicts(ours, node),
        failures=journal.failures,
    )


def _seed_table(ours: Answers, node: Answers) -> Table:
    rows = []
    for name in (each.name for each in SEED):
        mine, other = ours.get(name), node.get(name)
        rows.append([name, _rate(mine, other), _cost(mine), _rate(other), _cost(other)])
    columns = ("request", "ours, a second (times Node's)", "processor, µs each", "Node, a second", "processor, µs each")
    return Table("Of the seed contract, beside Express on Node, which answers from memory", columns, rows)


def _others_table(ours: Answers) -> Table:
    rows = []
    for each in OTHERS:
        found = ours.get(each.name)
        before = NOTHING if each.before_ms is None else f"{each.before_ms * 1000:,.0f}"
        rows.append([each.name, _rate(found), _cost(found), before])
    return Table("Others", ("request", "a second", "processor, µs each", "before the levers, µs"), rows)


def _rate(found: Round | None, base: Round | None = None) -> str:
    return FAILED if found is None else beside(found.per_s, of(base, per_s))


def _cost(found: Round | None) -> str:
    return NOTHING if found is None else f"{found.cpu_us:,.0f}"


def _verdicts(ours: Answers, node: Answers) -> list[Verdict]:
    verdicts = []
    for each in SEED:
        mine, other = ours.get(each.name), node.get(each.name)
        if each.name == JOIN:
            verdicts.append(at_least("P7", each.name, LEAST_JOINS, of(mine, per_s), unit="/s"))
        else:
            times = ratio(of(mine, per_s), of(other, per_s))
            verdicts.append(at_least("P7", f"{each.name}: × Express on Node", 1, times))
    for each in OTHERS:
        if each.before_ms is not None:
            gain = ratio(each.before_ms * 1000, of(ours.get(each.name), lambda done: done.cpu_us))
            verdicts.append(at_least("P7", f"{each.name}: × as many for the processor as before", LEAST_GAIN, gain))
    return verdicts
