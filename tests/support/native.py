"""A client of /ws/v1 for tests: requests and their answers, events in order, every frame checked against AsyncAPI.

Built on the `websockets` library, so a real peer. `NativeClient.connect(url, token)` says hello; request() waits for
the answer; next_event() and until() wait for events with a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import uuid
from collections.abc import Callable
from typing import Any

import websockets
from websockets.asyncio.client import ClientConnection

from tests.support.frames import check_frame

DEADLINE_S = 10.0


class Refused(Exception):  # noqa: N818  reads as what happened
    """The server refused a request."""

    def __init__(self, error: dict[str, Any]) -> None:
        self.error = error
        self.code = error["code"]
        super().__init__(f"{error['code']}: {error['message']}")


class NativeClient:
    """One connection. `events` holds every event not yet taken, `log` every frame. `greeting`: the answer to its
    hello with `token`.
    """

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.greeting: dict[str, Any] = {}
        self.token = ""
        self.events: list[dict[str, Any]] = []
        self.all_events: list[dict[str, Any]] = []
        self.log: list[dict[str, Any]] = []
        self.cursors: dict[str, int] = {}
        self.bye: dict[str, Any] | None = None
        self.answers_pings = True
        self._ids = itertools.count(1)
        self._waiting: dict[Any, asyncio.Future[dict[str, Any]]] = {}
        self._news = asyncio.Condition()
        self._operations: dict[Any, str] = {}
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(
        cls, url: str, *, subprotocols: list[str] | None = None, path: str = "/ws/v1", **options: Any
    ) -> NativeClient:
        """A connection without a hello."""
        offered = ["reaktor.v1"] if subprotocols is None else subprotocols
        socket = await websockets.connect(
            url.replace("http", "ws", 1) + path, subprotocols=offered or None, max_size=None, **options
        )
        return cls(socket)

    @classmethod
    async def connect(
        cls, url: str, token: str, *, resume: dict[str, int] | None = None, **options: Any
    ) -> NativeClient:
        client = await cls.open(url, **options)
        client.token = token
        data: dict[str, Any] = {"token": token}
        if resume is not None:
            data["resume"] = resume
        try:
            client.greeting = await client.request("hello", data=data)
        except BaseException:
            await client.close()
            raise
        return client

    async def request(self, op: str, channel: str | None = None, **fields: Any) -> Any:
        """The answer's data. Raises Refused. Fields go under `data` (or pass data= as a whole)."""
        # Not wait_for(): in Python 3.11 it swallows a cancellation that comes together with the answer.
        async with asyncio.timeout(DEADLINE_S):
            return await (await self.send(op, channel, **fields))

    async def send(self, op: str, channel: str | None = None, **fields: Any) -> asyncio.Future[Any]:
        """Send a request and return its answer's future."""
        request_id = next(self._ids)
        frame: dict[str, Any] = {"id": request_id, "op": op, "data": fields.pop("data", fields)}
        if channel is not None:
            frame["channel"] = channel
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = future
        self._operations[request_id] = op
        await self.send_raw(frame)
        return future

    async def send_raw(self, frame: Any) -> None:
        await self.socket.send(frame if isinstance(frame, str | bytes) else json.dumps(frame))

    async def join(self, channel: str, **fields: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self.request("channel.join", channel, **fields)
        return answer

    async def post(self, channel: str, text: str, nonce: str | None = None, **more: Any) -> dict[str, Any]:
        fields = {"text": text, "nonce": nonce or uuid.uuid4().hex, **more}
        answer: dict[str, Any] = await self.request("message.send", channel, **fields)
        return answer

    async def _read(self) -> None:
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self.socket:
                frame = json.loads(text)
                self.log.append(frame)
                operation = self._operations.pop(frame.get("re"), None) if "re" in frame else None
                check_frame(frame, operation)
                if "re" in frame and frame["re"] is not None:
                    self._place(frame, operation)
                    self._answer(frame)
                    continue
                async with self._news:
                    if frame.get("event") == "bye":
                        self.bye = frame["data"]
                    if frame.get("event") == "ping" and self.answers_pings:
                        # The server may have closed behind its ping; what it said before that is still to be read.
                        with contextlib.suppress(websockets.ConnectionClosed):
                            await self.send_raw({"op": "pong"})
                    self._advance(frame)
                    self.events.append(frame)
                    self.all_events.append(frame)
                    self._news.notify_all()
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(ConnectionError(f"closed with {self.socket.close_code}"))
        async with self._news:
            self._news.notify_all()

    def _place(self, frame: dict[str, Any], operation: str | None) -> None:
        """Cursors begin with the answer that puts one into a channel, before the event behind it is read."""
        if frame["ok"] and operation == "hello":
            self.cursors = {key: found["seq"] for key, found in frame["data"]["resume"].items()}
        elif frame["ok"] and operation == "channel.join":
            self.cursors[frame["data"]["channel"]["key"]] = frame["data"]["seq"]

    def _advance(self, frame: dict[str, Any]) -> None:
        """Durable events keep the cursor, and must come in order, each once."""
        if "seq" in frame and (key := frame.get("channel")) in self.cursors:
            assert frame["seq"] > self.cursors[key], f"{frame} is a repeat"
            self.cursors[key] = frame["seq"]

    def _answer(self, frame: dict[str, Any]) -> None:
        future = self._waiting.pop(frame["re"], None)
        if future is None or future.done():
            return
        if frame["ok"]:
            future.set_result(frame["data"])
        else:
            future.set_exception(Refused(frame["error"]))

    async def until(self, wanted: Callable[[dict[str, Any]], bool], deadline_s: float = DEADLINE_S) -> dict[str, Any]:
        """The first event that is wanted, taken out of `events` with everything before it."""
        async with asyncio.timeout(deadline_s), self._news:
            while True:
                for index, frame in enumerate(self.events):
                    if wanted(frame):
                        del self.events[: index + 1]
                        return frame
                if self._reader.done():
                    raise ConnectionError(f"closed with {self.socket.close_code} while waiting; saw {self.events}")
                await self._news.wait()

    async def event(self, name: str, channel: str | None = None, **data: Any) -> dict[str, Any]:
        """The next event of that name (in that channel, with these data)."""
        return await self.until(
            lambda frame: (
                frame.get("event") == name
                and (channel is None or frame.get("channel") == channel)
                and all(frame.get("data", {}).get(key) == value for key, value in data.items())
            )
        )

    async def message(self, text: str) -> dict[str, Any]:
        """The data of the message.new event with this text."""
        frame = await self.event("message.new", text=text)
        return dict(frame["data"])

    async def reads(self, channel: str, texts: list[str | None], deadline_s: float = DEADLINE_S) -> None:
        """Wait until a page of the channel's newest messages has these texts."""
        async with asyncio.timeout(deadline_s):
            while await self._texts(channel) != texts:  # noqa: ASYNC110  the server does not say when
                await asyncio.sleep(0.02)

    async def _texts(self, channel: str) -> list[str | None]:
        return [each["text"] for each in (await self.request("message.list", channel))["messages"]]

    async def closed(self, deadline_s: float = DEADLINE_S) -> int:
        """Wait until the server closed the connection; the close code."""
        async with asyncio.timeout(deadline_s):
            await asyncio.shield(self._reader)
        return self.socket.close_code or 1006

    async def close(self) -> None:
        await self.socket.close()
        await self._reader

    async def abort(self) -> None:
        """Vanish without a goodbye."""
        self.socket.transport.abort()
        await self._reader

    async def __aenter__(self) -> NativeClient:
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.close()
