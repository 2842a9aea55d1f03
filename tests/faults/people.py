"""The people of a test with faults: clients that talk, join and come back by themselves, and what each saw.

Native ones (tests.support.person) and Socket.IO ones (python-socketio) come through the balancer; joiners ask one host.
A new kind of client offers name, start(), post(), leave(), is_here and views().
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

import httpx
import socketio
import websockets

from reaktor.engineio.sid import worker_of
from tests.faults.history import Join, Stay, View
from tests.support.native import NativeClient, Refused
from tests.support.person import COME_BACK, RETRY_S, Person
from tests.support.place import Said

ANSWER_S = 10.0
POST_S = 180.0
"""Three times as long as the longest fault."""
START_S = 60.0
JOIN_PAUSE_S = 0.3
NAMES_EACH = 10
HostOf = Callable[[str], str]


class Client(Protocol):
    """Somebody who is in channels, from start() to leave()."""

    name: str

    async def start(self) -> Any: ...
    async def leave(self) -> None: ...

    async def post(self, channel: str, text: str) -> None:
        """Say it until it is acknowledged."""

    @property
    def is_here(self) -> bool: ...
    def stays(self) -> list[Stay]: ...
    def views(self) -> list[View]: ...

    @property
    def breaches(self) -> Sequence[str]: ...
    @property
    def refusals(self) -> Sequence[str]:
        """What it was refused and shrugged off, the last one last."""


class NativePerson:
    """A native client over WebSocket. `host_of`: which host an address of the balancer's header is."""

    def __init__(self, url: str, account: tuple[str, str], channels: Sequence[str], host_of: HostOf) -> None:
        self.person = Person(url, account, "127.0.0.1", list(channels))
        self.name = self.person.name
        self._host_of = host_of

    async def start(self) -> None:
        await self.person.start()

    async def leave(self) -> None:
        await self.person.leave()

    async def post(self, channel: str, text: str) -> None:
        await self.person.post(channel, text, POST_S)

    @property
    def is_here(self) -> bool:
        return self.person.is_here.is_set()

    @property
    def breaches(self) -> Sequence[str]:
        return self.person.breaches

    @property
    def refusals(self) -> Sequence[str]:
        return self.person.refusals

    def stays(self) -> list[Stay]:
        return [
            Stay(self.name, self._host_of(each.by), each.since, each.until, why=each.why) for each in self.person.served
        ]

    def views(self) -> list[View]:
        acked = self.person.acked
        return [
            View(
                self.name, key, place.start, tuple(place.seen), frozenset(place.members), tuple(acked.get(key, ())),
                tuple(place.told),
            )
            for key, place in self.person.places.items()
        ]  # fmt: skip


class SocketioPerson:
    """A Socket.IO client. `hosts`: their names by number, since its sid says which host has its session."""

    def __init__(
        self,
        url: str,
        account: tuple[str, str],
        channels: Sequence[str],
        host_of: HostOf,
        *,
        hosts: Mapping[int, str],
        transports: Sequence[str],
    ) -> None:
        self.name, self._token = account
        self._url, self._channels = url, list(channels)
        self._host_of, self._hosts = host_of, hosts
        self._transports = list(transports)
        self._stays: list[Stay] = []
        self._seen: dict[str, list[Said]] = {key: [] for key in channels}
        self._acked: dict[str, list[Said]] = {key: [] for key in channels}
        self._numbers = itertools.count(1)
        self._client = socketio.AsyncClient(reconnection_delay=0.2, reconnection_delay_max=1.0)
        self._client.on("connect", self._on_connect)
        self._client.on("disconnect", self._on_disconnect)
        self._client.on("message:post", self._on_message)
        self.breaches: list[str] = []
        self.refusals: list[str] = []

    async def start(self) -> None:
        async with asyncio.timeout(START_S):
            while not self.is_here:
                await self._connect()
                await asyncio.sleep(RETRY_S)
        headers = {"Authorization": f"Bearer: {self._token}"}
        async with httpx.AsyncClient(base_url=self._url, headers=headers, timeout=ANSWER_S) as http:
            for key in self._channels:
                await _joined(http, key)

    async def _connect(self) -> None:
        given = {"auth": {"token": self._token}, "transports": self._transports}
        # Its own retries end where a connection was closed before it was let in.
        with contextlib.suppress(socketio.exceptions.ConnectionError):
            await self._client.connect(self._url, wait_timeout=ANSWER_S, retry=True, **given)

    @property
    def _has_given_up(self) -> bool:
        """Whether the library neither has a connection nor tries: it takes one for new that ends as it begins."""
        retrying = self._client._reconnect_task
        return self._client.eio.state != "connected" and (retrying is None or retrying.done())

    async def leave(self) -> None:
        await self._client.disconnect()

    async def post(self, channel: str, text: str) -> None:
        nonce = f"{self.name}-{next(self._numbers)}"
        async with asyncio.timeout(POST_S):
            while True:
                if await self._is_acknowledged(channel, text, nonce):
                    return
                await asyncio.sleep(RETRY_S)
                if self._has_given_up:
                    await self._connect()

    async def _is_acknowledged(self, channel: str, text: str, nonce: str) -> bool:
        answered: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        # Called in the place that the answer has among the events, unlike whoever waits for it.
        def on_answer(answer: dict[str, Any]) -> None:
            if "error" not in answer:
                said = Said(answer["seq"], answer["id"], text)
                self._seen[channel].append(said)
                if said not in self._acked[channel]:
                    self._acked[channel].append(said)
            else:
                self.refusals.append(answer["error"]["code"])
                if self.refusals[-1] not in COME_BACK:
                    self.breaches.append(f"{self.name}: {answer}")
            if not answered.done():
                answered.set_result("error" not in answer)

        message = {"channel": channel, "message": text, "nonce": nonce}
        with contextlib.suppress(TimeoutError, socketio.exceptions.SocketIOError):
            await self._client.emit("message:post", message, callback=on_answer)
            async with asyncio.timeout(ANSWER_S):
                return await answered
        return False

    @property
    def is_here(self) -> bool:
        return bool(self._client.connected)

    def stays(self) -> list[Stay]:
        self._note_via()
        return list(self._stays)

    def views(self) -> list[View]:
        return [
            View(self.name, key, 0, tuple(seen), None, tuple(self._acked[key]), may_repeat=True)
            for key, seen in self._seen.items()
        ]

    def _on_connect(self) -> None:
        worker = worker_of(self._client.eio.sid)
        assert worker is not None
        self._stays.append(Stay(self.name, self._hosts[worker.host], time.monotonic()))

    def _on_disconnect(self, *reason: Any) -> None:
        why = " ".join(map(str, reason))
        self._note_via()
        self._stays[-1] = replace(self._stays[-1], until=time.monotonic(), why=why)

    def _note_via(self) -> None:
        """Whom the balancer asked for the WebSocket; a session that began by polling may be another host's.

        Once it is lost the library may have forgotten it, so each message is an occasion.
        """
        websocket = self._client.eio.ws
        if websocket is not None and not self._stays[-1].via:
            via = self._host_of(websocket._response.headers["X-Served-By"])
            self._stays[-1] = replace(self._stays[-1], via=via)

    def _on_message(self, data: dict[str, Any]) -> None:
        self._note_via()
        self._seen[data["channel"]].append(Said(data["seq"], data["id"], data["message"]))


async def _joined(http: httpx.AsyncClient, key: str) -> None:
    """Over REST, which puts all Socket.IO sessions of the user into the channel."""
    async with asyncio.timeout(START_S):
        while True:
            with contextlib.suppress(httpx.HTTPError):
                (await http.post(f"/channels/{key}/join", json={})).raise_for_status()
                return
            await asyncio.sleep(RETRY_S)


class Joiner:
    """Enters a channel of one host and leaves it, all the time. pause() until resume()."""

    def __init__(self, host: str, url: str, token: str, channel: str) -> None:
        self._host, self._url, self._token, self._channel = host, url, token, channel
        self._client: NativeClient | None = None
        self._may, self._idle = asyncio.Event(), asyncio.Event()
        self._may.set()
        self._idle.set()
        self._asked = math.inf
        self.joins: list[Join] = []

    async def run(self) -> None:
        """Until cancelled."""
        try:
            while True:
                self._idle.set()
                await self._may.wait()
                self._idle.clear()
                self._asked = time.monotonic()
                await self._join()
                self.joins.append(Join(self._host, self._asked, time.monotonic()))
                await self._leave()
                await asyncio.sleep(JOIN_PAUSE_S * random.uniform(0.5, 1.5))
        finally:
            if not self._idle.is_set() and not (self.joins and self.joins[-1].asked == self._asked):
                self.joins.append(Join(self._host, self._asked))
            await self._go()

    async def pause(self, seconds: float) -> None:
        """Ask for nothing more, when what is asked for now is answered, or after so long."""
        self._may.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()

    def resume(self) -> None:
        self._may.set()

    async def _join(self) -> None:
        while True:
            try:
                if self._client is None:
                    self._client = await NativeClient.connect(self._url, self._token)
                await self._client.join(self._channel)
                return
            except Refused:
                pass
            except (OSError, TimeoutError, websockets.WebSocketException):
                await self._go()
            await asyncio.sleep(RETRY_S)

    async def _leave(self) -> None:
        assert self._client is not None
        try:
            await self._client.request("channel.leave", self._channel)
        except Refused:
            return
        except (OSError, TimeoutError, websockets.WebSocketException):
            await self._go()

    async def _go(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError, TimeoutError, websockets.WebSocketException):
                await client.abort()


class Talk:
    """What a crowd says: each client one message after another, each in its channel. stop() ends it."""

    def __init__(
        self, clients: Sequence[Client], channels: Sequence[str], pause_s: float, named: Sequence[str] = ()
    ) -> None:
        """`named`: each NAMES_EACH-th message of a client names one of these."""
        self._named = named
        self._stopping = asyncio.Event()
        self._mute: list[str] = []
        self._tasks = {
            client.name: asyncio.create_task(self._talk(client, channels[index % len(channels)], pause_s))
            for index, client in enumerate(clients)
        }

    async def _talk(self, client: Client, channel: str, pause_s: float) -> None:
        for number in itertools.count(1):
            if self._stopping.is_set():
                return
            text = f"{client.name} {number}"
            if self._named and number % NAMES_EACH == 0:
                text += f" @{self._named[number // NAMES_EACH % len(self._named)]}"
            try:
                await client.post(channel, text)
            except TimeoutError:
                self._mute.append(client.name)
                return
            await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))

    async def stop(self, seconds: float) -> list[str]:
        """When what is being said is acknowledged; whose is not in that time, or was not in POST_S.

        Raises what a client raised.
        """
        self._stopping.set()
        done, waiting = await asyncio.wait(self._tasks.values(), timeout=seconds)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*done)
        return [*self._mute, *(name for name, task in self._tasks.items() if task in waiting)]
