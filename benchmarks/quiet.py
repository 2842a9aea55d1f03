"""Quiet users: they post in turn and read what all of them post. How late they are says what others do to them."""

from __future__ import annotations

import time

from benchmarks.load import Client, Crowd, open_websocket
from benchmarks.servers import CHANNEL

POST_EVERY_S = 0.05
ANSWER_S = 20.0
LAST_S = 5.0
"""How long the last posts may take to be delivered."""


class Quiet:
    """Native sessions, one of each token, from one address."""

    def __init__(self, port: int, tokens: list[str], *, channel: str = CHANNEL, source: str | None = None) -> None:
        self.crowd = Crowd()
        self._channel = channel
        self._sent = 0
        for token in tokens:
            opened = open_websocket("127.0.0.1", port, "/ws/v1", subprotocol="reaktor.v1", source=source)
            client = self.crowd.add(opened, b'"ok":true')
            client.request("hello", token=token)
            self.crowd.wait(client, 1, ANSWER_S)
            client.request("channel.join", channel)
            self.crowd.wait(client, 2, ANSWER_S)
            client.wants_latency = True

    def latencies(self, seconds: float) -> list[float]:
        """Post for so long; the seconds from each post to each of its readers."""
        for client in self.crowd.clients:
            client.latencies.clear()
        started = time.monotonic()
        posts = int(seconds / POST_EVERY_S)
        for number in range(posts):
            due = started + number * POST_EVERY_S
            self.crowd.pump(lambda due=due: time.monotonic() >= due, seconds)  # type: ignore[misc]
            self._sent += 1
            author = self.crowd.clients[self._sent % len(self.crowd.clients)]
            self._post(author)
        wanted = posts * (len(self.crowd.clients) - 1)  # an author has an answer in the place of the event
        self.crowd.pump(lambda: sum(len(each.latencies) for each in self.crowd.clients) >= wanted, LAST_S)
        return [found for client in self.crowd.clients for found in client.latencies]

    def _post(self, author: Client) -> None:
        author.request("message.send", self._channel, text=f"@{time.monotonic():.6f}@", nonce=f"q{self._sent}")
