"""Calls ASGI applications in this loop, without a server: HTTP that can be dropped, WebSockets, frame sinks.

A WebSocket with a sink is one of our own server: its messages may be taken at once, too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from reaktor.cluster.inbox import Inbox
from reaktor.web.frame_sink import FRAMES_EXTENSION
from reaktor.web.message_source import MESSAGES_EXTENSION
from reaktor.web.websocket_reader import FrameReader

CLIENT = ("203.0.113.7", 40000)
WAIT_S = 5.0


@dataclass
class Answer:
    """A whole HTTP answer; `sent` is false when the application ended without one."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    sent: bool = False

    @property
    def text(self) -> str:
        return self.body.decode()


class HttpCall:
    """One request under way."""

    def __init__(self, app: Any, method: str, target: str, body: bytes = b"", **options: Any) -> None:
        path, _, query = target.partition("?")
        headers: Mapping[str, str] = options.get("headers", {})
        self.answer = Answer()
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        chunks: list[bytes] = options.get("chunks", [body])
        for index, chunk in enumerate(chunks):
            self._incoming.put_nowait(
                {"type": "http.request", "body": chunk, "more_body": options.get("endless") or index < len(chunks) - 1}
            )
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": options.get("client", CLIENT),
        }
        self.task = asyncio.ensure_future(app(scope, self._incoming.get, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            self.answer.status = message["status"]
            self.answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            self.answer.body += message.get("body", b"")
            self.answer.sent = True

    def drop(self) -> None:
        """The client goes away."""
        self._incoming.put_nowait({"type": "http.disconnect"})

    async def done(self) -> Answer:
        async with asyncio.timeout(WAIT_S):
            await self.task
        return self.answer


class HttpClient:
    """Requests to one application."""

    def __init__(self, app: Any, prefix: str = "/socket.io/") -> None:
        self._app = app
        self._prefix = prefix

    def start(self, method: str, query: str, body: bytes | str = b"", **options: Any) -> HttpCall:
        data = body.encode() if isinstance(body, str) else body
        return HttpCall(self._app, method, f"{self._prefix}?{query}", data, **options)

    async def get(self, query: str, **options: Any) -> Answer:
        return await self.start("GET", query, **options).done()

    async def post(self, query: str, body: bytes | str, **options: Any) -> Answer:
        return await self.start("POST", query, body, **options).done()


class RecordingSink:
    """A FrameSink that keeps what it is given; `unsent` is what it claims not to have sent."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.unsent = 0
        self.is_aborted = False
        self.is_open = True

    @property
    def unsent_bytes(self) -> int:
        return self.unsent

    def write(self, data: bytes) -> int:
        self.data += data
        return self.unsent

    def abort(self) -> None:
        self.is_aborted = True

    def texts(self) -> list[str]:
        """The text frames so far, and forget them."""
        found = list(FrameReader().read(bytes(self.data)))
        self.data.clear()
        assert all(isinstance(each, str) for each in found)
        return cast("list[str]", found)


class QueueSink(RecordingSink):
    """Its text frames stand in a queue, as if the application had sent them as messages. Pings are not answered."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    def write(self, data: bytes) -> int:
        for frame in FrameReader().read(data):
            if isinstance(frame, str):
                self.sent.put_nowait({"type": "websocket.send", "text": frame})
        return self.unsent


class Socket:
    """One WebSocket to an application."""

    def __init__(self, app: Any, target: str, sink: RecordingSink | None = None, **options: Any) -> None:
        path, _, query = target.partition("?")
        headers: Mapping[str, str] = options.get("headers", {})
        self.sent = sink.sent if isinstance(sink, QueueSink) else asyncio.Queue[dict[str, Any]]()
        self._incoming = Inbox()
        self._incoming.put_nowait({"type": "websocket.connect"})
        scope: dict[str, Any] = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers.items()],
            "client": options.get("client", CLIENT),
            "subprotocols": options.get("subprotocols", []),
        }
        if sink is not None:
            scope["extensions"] = {FRAMES_EXTENSION: sink, MESSAGES_EXTENSION: self._incoming}
        self.task = asyncio.ensure_future(app(scope, self._incoming.receive, self._send))

    async def _send(self, message: dict[str, Any]) -> None:
        self.sent.put_nowait(message)

    def pong(self, payload: bytes) -> None:
        """The client answers a ping."""
        if self._incoming.on_pong is not None:
            self._incoming.on_pong(payload)

    async def next(self) -> dict[str, Any]:
        """The next ASGI message of the application."""
        async with asyncio.timeout(WAIT_S):
            return await self.sent.get()

    async def accepted(self) -> None:
        assert (await self.next())["type"] == "websocket.accept"

    async def text(self) -> str:
        text: str = (await self.next())["text"]
        return text

    async def binary(self) -> bytes:
        data: bytes = (await self.next())["bytes"]
        return data

    async def closed(self) -> int:
        """Its close code; whatever else comes first is an error."""
        message = await self.next()
        assert message["type"] == "websocket.close", message
        return int(message["code"])

    def say(self, message: str | bytes) -> None:
        self._incoming.put_message(message)

    def lose(self, code: int = 1006) -> None:
        self._incoming.put_nowait({"type": "websocket.disconnect", "code": code})

    async def done(self) -> None:
        async with asyncio.timeout(WAIT_S):
            await self.task
