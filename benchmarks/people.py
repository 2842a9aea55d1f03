"""People of several hosts: native sessions who post evenly in their channels, and visitors who come, join and go.

live() lets them do so for a while, press() has them post as fast as they are answered. A Stretch says what came to pass
and what it used.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.fanout import settle
from benchmarks.hosts import Chat, Host, Meter, Used
from benchmarks.load import Client, Crowd
from benchmarks.servers import NOWHERE
from reaktor.web.websocket_frames import Opcode, encode_frame

CLOSE_NORMAL = b"\x03\xe8"
VISITORS = 20
"""So many are here at a time; the first of them goes when the next one comes."""


@dataclass(frozen=True)
class Member:
    client: Client
    host: Host
    channel: str


@dataclass(frozen=True)
class Visits:
    """How often somebody comes, to one host after the other, enters so many of these channels, one after the other."""

    per_s: float
    hosts: Sequence[Host]
    channels: Sequence[str] = ()
    joins: int = 0


@dataclass(frozen=True)
class Stretch:
    """What came to pass in each second, and what it used."""

    posts: float
    deliveries: float
    visits: float
    used: Used


def mean(stretches: Sequence[Stretch]) -> Stretch:
    """Of the same, equally long."""

    def of(figure: Callable[[Stretch], float]) -> float:
        return sum(map(figure, stretches)) / len(stretches)

    hosts = range(len(stretches[0].used.workers))
    used = Used(
        tuple(of(lambda each, host=host: each.used.workers[host]) for host in hosts),  # type: ignore[misc]
        tuple(of(lambda each, host=host: each.used.supervisors[host]) for host in hosts),  # type: ignore[misc]
        of(lambda each: each.used.redis),
        of(lambda each: each.used.postgresql),
    )
    return Stretch(of(lambda each: each.posts), of(lambda each: each.deliveries), of(lambda each: each.visits), used)


@dataclass
class People:
    """`tokens`: of users of whom nobody is here yet. `text`: of each message."""

    chat: Chat
    tokens: Iterator[str]
    text: str
    crowd: Crowd = field(default_factory=Crowd)

    def __post_init__(self) -> None:
        self._numbers = itertools.count()
        self._visitors: deque[Client] = deque()
        self._passes = itertools.cycle([next(self.tokens) for _ in range(2 * VISITORS)])

    def sit(self, channel: str, hosts: Sequence[Host]) -> list[Member]:
        """One member more on each of these hosts."""
        return [Member(self._connect(host, channel, next(self.tokens)), host, channel) for host in hosts]

    def enter(self, host: Host, channels: Sequence[str]) -> None:
        """One session more on this host that is in all of these channels."""
        self._join(self._connect(host, NOWHERE, next(self.tokens)), channels)

    def live(
        self,
        seconds: float,
        authors: Sequence[Member] = (),
        posts_per_s: float = 0,
        visits: Visits | None = None,
        say: Callable[[Member], None] | None = None,
    ) -> Stretch:
        """Posts and visits at an even pace, authors in turn. `say`: what they do in the place of posting."""
        settle(self.crowd)
        self.crowd.count(self.crowd.clients, self.chat.hosts[0].marker)
        meter, started = Meter(self.chat), time.monotonic()
        posts, came, end = 0, 0, started + seconds
        visits_per_s = 0.0 if visits is None else visits.per_s
        while (now := time.monotonic()) < end:
            dues = [started + done / rate for done, rate in ((posts, posts_per_s), (came, visits_per_s)) if rate]
            if visits is not None and dues[-1] <= now:
                self._visit(visits, came)
                came += 1
            elif posts_per_s and dues[0] <= now:
                (say or self._post)(authors[posts % len(authors)])
                posts += 1
            else:
                self.crowd.read(min([end, *dues]) - now)
        took, used = time.monotonic() - started, meter.read()
        return Stretch(posts / took, self.crowd.counted / took, came / took, used)

    def press(self, seconds: float, authors: Sequence[Member]) -> Stretch:
        """Each author posts as soon as its post before is answered. What authors are sent is not counted."""
        settle(self.crowd)
        server, known = self.chat.hosts[0], {id(author.client): author for author in authors}
        self.crowd.count([client for client in self.crowd.clients if id(client) not in known], server.marker)
        for author in authors:
            author.client.marker, author.client.tail, author.client.seen = server.ack_marker, b"", 0
            author.client.crowd = None
        answered = dict.fromkeys(known, 0)
        meter, started = Meter(self.chat), time.monotonic()
        for author in authors:
            self._post(author)
        while (left := started + seconds - time.monotonic()) > 0:
            for client in self.crowd.read(left):
                if (author := known.get(id(client))) is not None and client.seen > answered[id(client)]:
                    answered[id(client)] = client.seen
                    self._post(author)
        took, used = time.monotonic() - started, meter.read()
        return Stretch(sum(answered.values()) / took, self.crowd.counted / took, 0.0, used)

    def _post(self, author: Member) -> None:
        author.host.use(author.channel)
        author.host.post(author.client, self.text, next(self._numbers))

    def _visit(self, visits: Visits, number: int) -> None:
        host = visits.hosts[number % len(visits.hosts)]
        client = self._connect(host, NOWHERE, next(self._passes))
        first = number * visits.joins
        self._join(
            client, [visits.channels[each % len(visits.channels)] for each in range(first, first + visits.joins)]
        )
        client.marker, client.tail, client.crowd = host.marker, b"", self.crowd
        self._visitors.append(client)
        if len(self._visitors) > VISITORS:
            self._leave(self._visitors.popleft())

    def _connect(self, host: Host, channel: str, token: str) -> Client:
        host.use(channel, token)
        return host.connect(self.crowd)

    def _join(self, client: Client, channels: Sequence[str]) -> None:
        for number, channel in enumerate(channels):
            client.request("channel.join", channel)
            self.crowd.wait(client, number + 2)

    def _leave(self, client: Client) -> None:
        client.sock.setblocking(True)
        client.sock.sendall(encode_frame(Opcode.CLOSE, CLOSE_NORMAL, mask=os.urandom(4)))
        self.crowd.drop(client)


@contextmanager
def people(chat: Chat, count: int, text: str) -> Iterator[People]:
    """People of up to so many users, visitors not counted."""
    tokens = iter(chat.hosts[0].users(count + 2 * VISITORS))
    found = People(chat, tokens, text)
    try:
        yield found
    finally:
        found.crowd.close()
