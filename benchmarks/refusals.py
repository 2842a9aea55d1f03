"""What refusing costs beside granting: `python -m benchmarks.refusals [--only WORD] [--count 120]`.

For each operation a user of its own asks until its rate is used up, and then goes on asking. Printed, in milliseconds
of the worker's processor for one of them: a granted one, one that the rate refuses, and one about a channel that there
is not. Native operations come over one session, ten at a time; REST requests over 60 connections.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from benchmarks.floods import LIFTED, registered
from benchmarks.load import Client, Crowd, open_websocket
from benchmarks.rounds import cpu_s
from benchmarks.servers import CHANNEL, Reaktor
from reaktor.limits.rates import Limit

SPARE = 20
"""What a rate grants beyond what is measured: for what comes before."""
IN_FLIGHT = 10
CONNECTIONS = 60
"""A 429 takes a second or two: with fewer, what an idle worker does meanwhile would count for more."""
ANSWER_S = 60.0
IDLE_S = 3.0
TARGET = "target"
LONG_FROM_NOW = "2100-01-31T12:00:00Z"
NOWHERE = "nowhere"

Data = dict[str, Any]
NATIVE: dict[str, Callable[[int, list[str]], Data]] = {
    "channel.list": lambda n, ids: {},
    "channel.create": lambda n, ids: {"name": f"new {n}"},
    "channel.update": lambda n, ids: {"topic": f"topic {n}"},
    "channel.join": lambda n, ids: {},
    "channel.members": lambda n, ids: {},
    "message.send": lambda n, ids: {"text": f"text {n}", "nonce": f"n{n}"},
    "message.delete": lambda n, ids: {"id": ids[-1 - n]},
    "message.list": lambda n, ids: {},
    "reaction.add": lambda n, ids: {"id": ids[n], "emoji": "👍"},
    "reaction.remove": lambda n, ids: {"id": ids[n], "emoji": "👎"},
    "status": lambda n, ids: {"status": ("away", "online")[n % 2]},
    "sync": lambda n, ids: {"channels": {CHANNEL: 0}},
    "report": lambda n, ids: {"id": ids[n], "reason": "insulting"},
    "moderation.mute": lambda n, ids: {"user": TARGET, "until": LONG_FROM_NOW, "reason": f"reason {n}"},
    "moderation.ban": lambda n, ids: {"user": TARGET, "until": LONG_FROM_NOW, "reason": f"reason {n}"},
}
"""What stands under `data` in the n-th frame, given the ids of messages."""
WITHOUT_CHANNEL = {"channel.list", "channel.create", "status", "sync"}
FROM_OUTSIDE = {"channel.members": "programming", "message.list": "programming"}
"""Of a channel that the session is in these come from memory. Whether there is another one only the database knows."""
REST: dict[str, tuple[str, str, Callable[[int], Data | None]]] = {
    "GET /channels": ("GET", "/channels", lambda n: None),
    "POST messages": ("POST", "/channels/{key}/messages", lambda n: {"text": f"text {n}", "nonce": f"r{n}"}),
    "PATCH channel": ("PATCH", "/channels/{key}", lambda n: {"topic": f"topic {n}"}),
    "PUT read": ("PUT", "/channels/{key}/read", lambda n: {"number": n}),
}
PREPARE = """
import json
from accounts.models import User
from chat.domain.ids import ChannelKey
from chat.models import ChannelMembership, Message, Reaction
from chat.posting.batches import Post, store_batch
from chat.selectors import user_ref
ChannelMembership.objects.exclude(user__username="{target}").update(role="owner")
author = user_ref(User.objects.get(username="{target}"))
store_batch([Post(author, ChannelKey("{channel}"), "hello", f"made{{n}}") for n in range(2 * {count})])
ids = list(Message.objects.order_by("number").values_list("id", flat=True))
remover = User.objects.filter(username="{remover}").first()
if remover is not None:
    Reaction.objects.bulk_create([Reaction(message_id=each, user=remover, emoji="👎") for each in ids])
print(json.dumps([str(each) for each in ids]))
"""


@dataclass
class Place:
    """A server whose rates grant `count` and SPARE of everything; one user for each operation, messages to work on."""

    server: Reaktor
    count: int
    tokens: dict[str, str]
    ids: list[str]

    idle: float = 0.0
    """What it uses of its core when nobody asks for anything."""

    def cost_ms(self, work: Callable[[], None], count: int) -> float:
        before, began = cpu_s([self.server.worker_pid]), time.monotonic()
        work()
        used = cpu_s([self.server.worker_pid]) - before
        return max(used - self.idle * (time.monotonic() - began), 0.0) * 1000 / count


@contextmanager
def prepared(operations: list[str], count: int) -> Iterator[Place]:
    server = Reaktor()
    rate = f"{2 * count + SPARE}/1h"
    server.environment |= {"LIMITS": "on", **LIFTED, **{f"LIMIT_{limit.name}": rate for limit in Limit}}
    server.environment |= {"LIMIT_REGISTER": "1000/1h", "LIMIT_LOGIN": "1000/1h"}
    with server:
        registered(server, TARGET)
        names = {operation: f"user{number}" for number, operation in enumerate(operations)}
        tokens = {operation: registered(server, name) for operation, name in names.items()}
        remover = names.get("reaction.remove", "")
        script = PREPARE.format(target=TARGET, channel=CHANNEL, count=count, remover=remover)
        ids = json.loads(server.manage("shell", "--verbosity", "0", "-c", script))
        place = Place(server, count, tokens, ids)
        place.idle = place.cost_ms(lambda: time.sleep(IDLE_S), 1) / 1000 / IDLE_S
        yield place


# -- Native -------------------------------------------------------------------------------------------------------


def native_row(place: Place, operation: str) -> str:
    crowd = Crowd()
    opened = open_websocket("127.0.0.1", place.server.port, "/ws/v1", subprotocol="reaktor.v1")
    client = crowd.add(opened, b'"ok":true')
    client.request("hello", token=place.tokens[operation])
    crowd.pump(lambda: client.seen >= 1, ANSWER_S)
    client.request("channel.join", CHANNEL)
    crowd.pump(lambda: client.seen >= 2, ANSWER_S)

    def ask(marker: bytes, count: int, channel: str = CHANNEL) -> None:
        crowd.count([client], marker)
        named = None if operation in WITHOUT_CHANNEL else channel
        for start in range(0, count, IN_FLIGHT):
            end = min(start + IN_FLIGHT, count)
            for number in range(start, end):
                client.request(operation, named, **NATIVE[operation](number % place.count, place.ids))
            if not _all_came(crowd, client, end):
                raise RuntimeError(f"{operation}: {client.seen} of {end} were answered with {marker.decode()}")

    has_channel = operation not in WITHOUT_CHANNEL
    told = b'"ok":false' if has_channel else b'"ok":true'
    in_vain = place.cost_ms(lambda: ask(told, place.count, NOWHERE), place.count)
    known = FROM_OUTSIDE.get(operation, CHANNEL)
    granted = place.cost_ms(lambda: ask(b'"ok":true', place.count, known), place.count)
    ask(b'"re":1', SPARE)  # the rate is used up by then
    refused = place.cost_ms(lambda: ask(b'"rate_limited"', place.count), place.count)
    crowd.close()
    return _row(operation, granted, refused, in_vain if has_channel else None)


def _all_came(crowd: Crowd, client: Client, count: int) -> bool:
    return crowd.pump(lambda: client.seen >= count, ANSWER_S)


# -- REST ---------------------------------------------------------------------------------------------------------


def rest_row(place: Place, operation: str) -> str:
    method, path, body = REST[operation]
    headers = {"Authorization": f"Bearer {place.tokens[operation]}"}
    limits = httpx.Limits(max_connections=CONNECTIONS, max_keepalive_connections=CONNECTIONS)
    with (
        httpx.Client(
            base_url=f"http://127.0.0.1:{place.server.port}/api/v1", headers=headers, timeout=ANSWER_S, limits=limits
        ) as http,
        ThreadPoolExecutor(CONNECTIONS) as threads,
    ):

        def ask(statuses: set[int], count: int, channel: str = CHANNEL) -> None:
            def one(number: int) -> int:
                return http.request(method, path.format(key=channel), json=body(number)).status_code

            told = set(threads.map(one, range(count)))
            if statuses and not told <= statuses:
                raise RuntimeError(f"{operation}: {told}")

        has_channel = "{key}" in path
        in_vain = place.cost_ms(lambda: ask({404} if has_channel else set(), place.count, NOWHERE), place.count)
        granted = place.cost_ms(lambda: ask({200, 201}, place.count), place.count)
        ask(set(), SPARE)
        refused = place.cost_ms(lambda: ask({429}, place.count), place.count)
    return _row(operation, granted, refused, in_vain if has_channel else None)


def _row(operation: str, granted: float, refused: float, in_vain: float | None) -> str:
    vain = "" if in_vain is None else f"{in_vain:.2f} ({in_vain / granted:.2f})"
    return f"| {operation} | {granted:.2f} | {refused:.2f} ({refused / granted:.2f}) | {vain} |"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", help="the operations whose name contains this")
    parser.add_argument("--count", type=int, default=120, help="how many of each")
    options = parser.parse_args()
    if (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(0, {1})
    native = [name for name in NATIVE if options.only in name]
    rest = [name for name in REST if options.only in name]
    with prepared([*native, *rest], options.count) as place:
        print("| operation | granted, ms | refused by its rate | no such channel |")
        print("| --- | --- | --- | --- |")
        for rows, names in ((native_row, native), (rest_row, rest)):
            for name in names:
                print(rows(place, name), flush=True)


if __name__ == "__main__":
    main()
