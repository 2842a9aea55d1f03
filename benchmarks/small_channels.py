"""Many small channels: in each, one client posts as soon as its post before is answered, and the others read."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.fanout import TEXT, settle
from benchmarks.load import ANSWER_S, Client, Crowd
from benchmarks.rounds import Round, Watch
from benchmarks.servers import Reaktor, Server

ADDRESSES = 100


@dataclass
class Author:
    """`answered`: how many of its posts were."""

    client: Client
    channel: str
    answered: int = 0


@dataclass
class SmallChannels:
    """The clients of all channels, and who of them posts."""

    server: Server
    members: int
    crowd: Crowd = field(default_factory=Crowd)
    authors: list[Author] = field(default_factory=list)

    def post(self, seconds: float, pids: Sequence[int]) -> Round:
        """Posts for so long, until the last one is answered and delivered. `pids`: whose processor time counts."""
        authors = {id(author.client): author for author in self.authors}
        self._count(authors)
        watch, deadline = Watch(pids), time.monotonic() + seconds
        sent = 0
        for author in self.authors:
            self._post(author, sent)
            sent += 1
        while time.monotonic() < deadline:
            for client in self.crowd.read(1.0):
                known = authors.get(id(client))
                if known is not None and client.seen > known.answered:
                    known.answered += 1
                    self._post(known, sent)
                    sent += 1
        wanted = sent * (self.members - 1)
        if not self.crowd.pump(lambda: self.crowd.counted >= wanted and self._answers() >= sent, ANSWER_S):
            raise RuntimeError(f"{self.server.name} delivered {self.crowd.counted} of {wanted}, then nothing")
        return watch.read(sent)

    def _count(self, authors: dict[int, Author]) -> None:
        readers = [client for client in self.crowd.clients if id(client) not in authors]
        self.crowd.count(readers, self.server.marker)
        for author in self.authors:
            author.answered = 0
            author.client.marker, author.client.tail, author.client.seen = self.server.ack_marker, b"", 0

    def _answers(self) -> int:
        return sum(author.client.seen for author in self.authors)

    def _post(self, author: Author, number: int) -> None:
        self.server.channel = author.channel
        self.server.post(author.client, TEXT, number)


@contextmanager
def small_channels(server: Server, channels: int, members: int, *, is_spread: bool = False) -> Iterator[SmallChannels]:
    """So many channels of so many clients, a user for each channel. `is_spread`: the clients have many addresses."""
    keys = [f"small{number}" for number in range(channels)]
    server.make_channels(keys)
    made = SmallChannels(server, members)
    try:
        for channel, token in zip(keys, server.users(channels), strict=True):
            server.use(channel, token)
            first = len(made.crowd.clients)
            for number in range(first, first + members):
                server.connect(made.crowd, f"127.0.0.{number % ADDRESSES + 2}" if is_spread else None)
            if isinstance(server, Reaktor):
                server.join_all()
            made.authors.append(Author(made.crowd.clients[first], channel))
        settle(made.crowd)
        yield made
    finally:
        made.crowd.close()
