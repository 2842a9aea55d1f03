"""Hands requests whose sid names another worker to that worker: over its private Unix socket, or by way of its host.

So nothing depends on a client always reaching the same worker, or the same host. What is relayed is marked, and a
marked request is never relayed again; the mark counts only on the private socket. Serves the flow "Polling →
WebSocket".
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

from reaktor.engineio.engine import RELAYED_HEADER, WorkerGoneError
from reaktor.engineio.host_relay import MAX_HEAD_BYTES, HostRelay
from reaktor.engineio.http import BodyTooLargeError, ClientGoneError, read_body
from reaktor.engineio.relay_websocket import close_upstream, relay_websocket, upgrade_lines
from reaktor.engineio.sid import Worker
from reaktor.process.streams import Streams, closing
from reaktor.web.message_source import tell_of_end
from reaktor.web.reply import Header, Reply
from reaktor.web.scope import Receive, Scope, Send, until_gone

CONNECT_TIMEOUT_S = 2.0
# Said anew by each hop. Forwarded addresses too: the handshake, which is never relayed, has recorded the client's.
_NOT_PASSED_ON = frozenset(
    {b"connection", b"keep-alive", b"upgrade", b"transfer-encoding", b"content-length", b"te", b"trailer", b"host"}
    | {b"forwarded", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-port", b"daphne-root-path"}
    | {b"sec-websocket-key", b"sec-websocket-version", b"sec-websocket-extensions", RELAYED_HEADER}
)


class WorkerRelay:
    """See engine.Relay. `home`: our host and its life; `socket_path` says where a worker of it listens, by slot and
    incarnation; `hosts` leads to the others; `patience_s`: how long a poll may wait there. `on_left`: tells that
    worker (departures.py).
    """

    def __init__(
        self,
        home: tuple[int, int],
        socket_path: Callable[[int, int], Path],
        hosts: HostRelay | None = None,
        *,
        patience_s: float,
        max_body_bytes: int,
        on_left: Callable[[Worker, str], None] = lambda worker, sid: None,
    ) -> None:
        self._home = home
        self._socket_path = socket_path
        self._hosts = hosts
        self._patience_s = patience_s
        self._max_body_bytes = max_body_bytes
        self._on_left = on_left

    def client_left(self, worker: Worker, sid: str) -> None:
        """See engine.Relay."""
        self._on_left(worker, sid)

    async def __call__(self, worker: Worker, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what that worker answers. Raises WorkerGoneError as long as nothing was sent."""
        head = request_head(scope)
        if scope["type"] == "websocket":
            async with self._sent(worker, head + upgrade_lines(), is_open=True) as (reader, writer):
                tell_of_end(scope, partial(close_upstream, writer))
                await relay_websocket(reader, writer, receive, send, self._patience_s)
            return
        try:
            body = await read_body(scope, receive, self._max_body_bytes)
        except BodyTooLargeError:
            # Something as large, for the other worker to say 413 and end the session.
            body = bytes(self._max_body_bytes + 1)
        except ClientGoneError:
            return
        request = head + b"connection: close\r\ncontent-length: %d\r\n\r\n" % len(body) + body
        async with self._sent(worker, request, is_open=False) as streams:
            await self._relay_answer(streams, scope, receive, send)

    @asynccontextmanager
    async def _sent(self, worker: Worker, request: bytes, *, is_open: bool) -> AsyncIterator[Streams]:
        """The two ends of a connection on which that worker gets these bytes. Raises WorkerGoneError."""
        if (worker.host, worker.life) == self._home:
            path = self._socket_path(worker.slot, worker.incarnation)
            try:
                async with asyncio.timeout(CONNECT_TIMEOUT_S):
                    streams = await asyncio.open_unix_connection(str(path), limit=MAX_HEAD_BYTES)
            except (OSError, TimeoutError) as error:
                raise WorkerGoneError from error
            async with closing(streams[1]):
                streams[1].write(request)
                yield streams
        elif self._hosts is None or worker.host == self._home[0]:
            raise WorkerGoneError
        else:
            async with self._hosts.sent(worker, request, is_open=is_open) as streams:
                yield streams

    async def _relay_answer(self, streams: Streams, scope: Scope, receive: Receive, send: Send) -> None:
        answer = asyncio.ensure_future(self._read_answer(*streams))
        gone = asyncio.ensure_future(until_gone(receive))
        try:
            await asyncio.wait((answer, gone), return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                # Closing our side tells that worker that its client went away.
                return
            reply = answer.result()
        finally:
            answer.cancel()
            gone.cancel()
        await reply.send(scope, send)

    async def _read_answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Reply:
        try:
            async with asyncio.timeout(self._patience_s):
                await writer.drain()
                status, headers = parse_head(await reader.readuntil(b"\r\n\r\n"))
                length = next((value for name, value in headers if name == b"content-length"), None)
                if length is None:
                    # Engine.IO always announces it; whatever answered was not Engine.IO.
                    raise WorkerGoneError
                content = await reader.readexactly(int(length))
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError, asyncio.LimitOverrunError) as error:
            raise WorkerGoneError from error
        kept = [(name, value) for name, value in headers if name not in (b"connection", b"date", b"server")]
        return Reply(status, kept, content)


def request_head(scope: Scope) -> bytes:
    """Request line and headers for the other worker, marked as relayed, without the empty line at the end."""
    path = scope.get("raw_path") or quote(scope["path"]).encode("ascii")
    query = scope["query_string"]
    target = path + b"?" + query if query else path
    method = scope.get("method", "GET").encode("ascii")
    lines = [method + b" " + target + b" HTTP/1.1", b"host: reaktor", RELAYED_HEADER + b": 1"]
    lines += [name + b": " + value for name, value in scope["headers"] if name.lower() not in _NOT_PASSED_ON]
    return b"\r\n".join(lines) + b"\r\n"


def parse_head(head: bytes) -> tuple[int, list[Header]]:
    """Status and headers (lower-case names) of an answer. Raises ValueError."""
    first, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    version, _, rest = first.partition(b" ")
    if not version.startswith(b"HTTP/1."):
        raise ValueError("not an HTTP answer")
    headers: list[Header] = []
    for line in lines:
        name, _, value = line.partition(b":")
        headers.append((name.strip().lower(), value.strip()))
    return int(rest[:3]), headers
