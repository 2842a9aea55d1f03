"""A person on a native client as the protocol wants it: comes back by itself, resumes by cursors, sends again by nonce.

What was seen is kept per channel (tests.support.place); tests.support.verdict compares people with each other and with
the store. The connection is a real one, of the `websockets` library, from a loopback address of the person's own.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.support.native import Refused
from tests.support.place import Place, Said

ANSWER_S = 20.0
HELLO_S = 30.0
RETRY_S = 0.1
COME_BACK = {"unavailable", "not_a_member"}
"""Refusals after which one tries again; not_a_member: the session was just restored, its channel follows."""


@dataclass(slots=True)
class Served:
    """One connection, from when somebody is there. `by`: what a balancer says of who serves it, in X-Served-By.

    `why`: how it ended.
    """

    by: str
    since: float
    until: float = math.inf
    why: str = ""


class Person:
    """One live session, over as many connections as it takes. start(), post(), vanish(), leave().

    `byes`: what the server said at each end, with "at" (monotonic). `gaps`: (lost, back) of each connection but the
    first. `served`: each connection. `refusals`: codes and errors that a person shrugs off. `breaches`: what may
    never happen.
    """

    def __init__(self, url: str, account: tuple[str, str], source: str, channels: list[str]) -> None:
        self.name, self.token = account
        self.source = source
        self._url = url.replace("http", "ws", 1) + "/ws/v1"
        self._wanted = channels
        self.places: dict[str, Place] = {}
        self.acked: dict[str, list[Said]] = {}
        self.breaches: list[str] = []
        self.byes: list[dict[str, Any]] = []
        self.refusals: list[str] = []
        self.gaps: list[tuple[float, float]] = []
        self.served: list[Served] = []
        self.connects = 0
        self.is_here = asyncio.Event()
        self._changed = asyncio.Condition()
        self._ids = itertools.count(1)
        self._socket: ClientConnection | None = None
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._texts: dict[int, tuple[str, str]] = {}
        self._is_leaving = False
        self._tasks: list[asyncio.Task[None]] = []

    # -- What a test does with a person ---------------------------------------------------------------------------

    async def start(self) -> Person:
        self._tasks.append(asyncio.create_task(self._live(), name=self.name))
        await asyncio.wait_for(self.is_here.wait(), HELLO_S)
        return self

    async def leave(self) -> None:
        """Go with a goodbye."""
        self._is_leaving = True
        if self._socket is not None:
            await self._socket.close()
        await asyncio.wait_for(asyncio.gather(*self._tasks), 10)

    def vanish(self) -> None:
        """Lose the connection without a goodbye; the person comes back."""
        if self._socket is not None:
            self._socket.transport.abort()

    async def post(self, channel: str, text: str, deadline_s: float = 60.0) -> Said:
        """Say something, again and again under one nonce until it is acknowledged."""
        try:
            async with asyncio.timeout(deadline_s):
                return await self._post(channel, text)
        except TimeoutError:
            story = f"{self.connects} connections, refused {self.refusals[-9:]}, told {self.byes[-3:]}"
            raise TimeoutError(f"{self.name} could say nothing for {deadline_s} s: {story}") from None

    async def _post(self, channel: str, text: str) -> Said:
        nonce = f"{self.name}-{next(self._ids)}"
        while True:
            await self.is_here.wait()
            try:
                answer = await self.request("message.send", channel, text=text, nonce=nonce)
            except (ConnectionError, TimeoutError):
                # A pause in any case: a socket that is closed says so without giving the loop a turn.
                await asyncio.sleep(RETRY_S)
                continue
            except Refused as refused:
                self.refusals.append(refused.code)
                if refused.code not in COME_BACK:
                    raise
                await asyncio.sleep(RETRY_S)
                continue
            said = Said(answer["seq"], answer["id"], text)
            self.acked.setdefault(channel, []).append(said)
            return said

    async def request(self, op: str, channel: str | None = None, **data: Any) -> Any:
        """Raises Refused, ConnectionError when the connection ends first, TimeoutError."""
        socket = self._socket
        if socket is None:
            raise ConnectionError("not connected")
        number = next(self._ids)
        frame: dict[str, Any] = {"id": number, "op": op, "data": data}
        if channel is not None:
            frame["channel"] = channel
            if op == "message.send":
                self._texts[number] = (channel, data["text"])
        future = self._waiting[number] = asyncio.get_running_loop().create_future()
        try:
            await socket.send(json.dumps(frame))
            return await asyncio.wait_for(future, ANSWER_S)
        except websockets.ConnectionClosed as error:
            raise ConnectionError(str(error)) from error
        finally:
            self._waiting.pop(number, None)
            self._texts.pop(number, None)

    async def until(self, condition: Callable[[], object], deadline_s: float = 15.0) -> bool:
        """Wait until a condition on what this person knows holds; whether it came to that."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(deadline_s), self._changed:
                await self._changed.wait_for(condition)
        return bool(condition())

    async def told_of(self, name: str, channel: str, event: str, since: float, deadline_s: float = 15.0) -> float:
        """When (monotonic, not before `since`) this person was told that somebody joined or left the channel."""

        def found() -> float | None:
            told = self.places[channel].told
            return next(
                (each.at for each in told if each.at >= since and (each.event, each.name) == (event, name)), None
            )

        await self.until(found, deadline_s)
        at = found()
        assert at is not None, f"{self.name} was not told of {event} of {name}"
        return at

    # -- Coming back ----------------------------------------------------------------------------------------------

    async def _live(self) -> None:
        lost_at: float | None = None
        while not self._is_leaving:
            pause_s = RETRY_S * random.uniform(0.5, 1.5)
            byes = len(self.byes)
            try:
                lost_at = await self._connected(lost_at)
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                lost_at = lost_at or time.monotonic()
                self.refusals.append(f"connect: {error!r}")
            except Refused as refused:
                lost_at = lost_at or time.monotonic()
                self.refusals.append(f"hello: {refused.code}")
                if refused.code not in COME_BACK:
                    self.breaches.append(f"{self.name} was locked out: {refused}")
                    return
            if self.byes[byes:] and (wanted_s := self.byes[-1].get("retry_after")):
                pause_s = wanted_s * random.uniform(1.0, 1.2)
            if not self._is_leaving:
                await asyncio.sleep(pause_s)

    async def _connected(self, lost_at: float | None) -> float:
        """One connection, from its start to its end; when it ended."""
        connecting = websockets.connect(
            self._url, subprotocols=["reaktor.v1"], local_addr=(self.source, 0), max_size=None, open_timeout=HELLO_S
        )
        async with connecting as socket:
            if self._is_leaving:
                # Said while this connection was being made, so nobody else will close it.
                return time.monotonic()
            self._socket = socket
            reader = asyncio.create_task(self._read(socket))
            try:
                await self._enter()
                self.connects += 1
                self._note_served(socket)
                if lost_at is not None:
                    self.gaps.append((lost_at, time.monotonic()))
                self.is_here.set()
                await self._notify()
                await reader
            except ConnectionError:
                await reader
            finally:
                if self.served and self.served[-1].until == math.inf:
                    self.served[-1].until = time.monotonic()
                    self.served[-1].why = f"{socket.close_code} {socket.close_reason}"
                self.is_here.clear()
                self._socket = None
                reader.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await reader
        return time.monotonic()

    def _note_served(self, socket: ClientConnection) -> None:
        headers = {} if socket.response is None else socket.response.headers
        self.served.append(Served(headers.get("X-Served-By", ""), time.monotonic()))

    async def _enter(self) -> None:
        for place in self.places.values():
            place.forget_held()
        resume = {key: place.cursor for key, place in self.places.items()}
        greeting = await self.request("hello", token=self.token, resume=resume)
        missing = resume.keys() - greeting["resume"].keys()
        if missing:
            self.breaches.append(f"{self.name}: {missing} missing in the answer to resume")
        for key in self._wanted:
            if key in self.places:
                await self._read_anew(key)
                await self.request("channel.join", key, after=self.places[key].cursor)
                await self._read_anew(key)
            else:
                await self.request("channel.join", key)

    async def _read_anew(self, key: str) -> None:
        """Read what was too much to be told, if anything was."""
        place = self.places[key]
        if not place.must_read:
            return
        has_more = True
        while has_more:
            page = await self.request("message.list", key, after=place.number, limit=100)
            place.read(page["messages"])
            has_more = page["has_more"]
        place.settle()

    # -- What comes -----------------------------------------------------------------------------------------------

    async def _read(self, socket: ClientConnection) -> None:
        try:
            async for text in socket:
                frame = json.loads(text)
                self._take(frame)
                if frame.get("event") == "ping":
                    await socket.send('{"op": "pong"}')
                await self._notify()
        except websockets.ConnectionClosed:
            pass
        finally:
            self.is_here.clear()
            for future in self._waiting.values():
                if not future.done():
                    future.set_exception(ConnectionError("closed"))

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()

    def _take(self, frame: dict[str, Any]) -> None:
        place = self.places.get(frame.get("channel", ""))
        match frame.get("event"):
            case None:
                self._answered(frame)
            case "bye":
                self.byes.append({**frame["data"], "at": time.monotonic()})
            case "message.new" if place is not None:
                place.see(frame["data"], "live")
            case "sync.required" if place is not None:
                place.hold()
                self._tasks.append(asyncio.create_task(self._catch_up(frame["channel"])))
            case "member.joined" | "member.left" as event if place is not None:
                is_settled = self.is_here.is_set()
                place.hear(event, frame["data"]["username"], time.monotonic(), is_settled=is_settled)

    async def _catch_up(self, key: str) -> None:
        with contextlib.suppress(ConnectionError):  # the next connection resumes
            await self._read_anew(key)

    def _answered(self, frame: dict[str, Any]) -> None:
        """Take an answer for what it says of channels, in the turn in which it came; then give it to who waits."""
        number, data = frame["re"], frame.get("data", {})
        if frame["ok"] and number in self._texts:
            key, text = self._texts[number]
            self.places[key].acknowledged(data, text)
        elif frame["ok"] and "members" in data:
            self._joined(data["channel"]["key"], data)
        elif frame["ok"] and "resume" in data:
            for key, changes in data["resume"].items():
                self.places[key].resumed(changes)
        future = self._waiting.get(number)
        if future is None or future.done():
            return
        if frame["ok"]:
            future.set_result(data)
        else:
            future.set_exception(Refused(frame["error"]))

    def _joined(self, key: str, data: dict[str, Any]) -> None:
        if key in self.places:
            self.places[key].joined(data)
        else:
            self.places[key] = Place.from_join(f"{self.name} in {key}", self.breaches, data)
