"""The way to workers of other hosts: a request behind its pass, to where their host listens for others.

One per worker. tell() says which hosts live (their supervisors find that out); sent() opens a connection for one
request. What is open to a host that lives no more is cut, so that nobody waits for it. The other end: relay_door and
relayed in reaktor.cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from reaktor.engineio.engine import WorkerGoneError
from reaktor.engineio.neighbours import TRY_S, Neighbour, Neighbours
from reaktor.engineio.sid import Worker
from reaktor.observe.metrics import Metrics
from reaktor.process.relay_pass import GO_ON, MAX_SKEW_S, Refusal, seal
from reaktor.process.streams import Streams, closing

logger = logging.getLogger(__name__)

MAX_HEAD_BYTES = 64 * 1024
COMPLAIN_S = 60.0
_REASONS = {
    Refusal.FORGED.byte: "its SECRET_KEY is another one",
    Refusal.STALE.byte: f"its clock differs from ours by more than {MAX_SKEW_S:g} s",
    Refusal.REPLAYED.byte: "it has seen the same request before",
    Refusal.BUSY.byte: "too much is relayed to it",
    Refusal.TOO_LARGE.byte: "it takes no requests as large",
}


class HostRelay:
    """`key` signs; `max_open`: connections to other hosts at a time; `tls`: what goes there is encrypted."""

    def __init__(
        self,
        key: bytes,
        *,
        max_open: int,
        tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.monotonic,
        unix_time: Callable[[], float] = time.time,
    ) -> None:
        self._key, self._max_open, self._tls = key, max_open, tls
        self._clock, self._unix_time = clock, unix_time
        self._neighbours = Neighbours()
        self._open: dict[asyncio.StreamWriter, Neighbour] = {}
        self._complained_at: dict[int, float] = {}
        self.sent_total = 0
        self.failed_total = 0

    def __len__(self) -> int:
        """Connections that are open."""
        return len(self._open)

    def tell(self, hosts: Iterable[tuple[int, int, str, int]]) -> None:
        """These other hosts live, and listen: number, life, address, port of each."""
        gone = self._neighbours.tell(hosts)
        for writer, host in list(self._open.items()):
            if any(host is each for each in gone):
                writer.transport.abort()

    def metrics(self) -> Metrics:
        """What it has counted."""
        return {"counters": {"host_relays_sent": self.sent_total, "host_relays_failed": self.failed_total}}

    @asynccontextmanager
    async def sent(self, worker: Worker, request: bytes, *, is_open: bool) -> AsyncIterator[Streams]:
        """A connection on which that worker's answer comes. `is_open`: the client goes on, as a WebSocket.

        Raises WorkerGoneError, at once or within TRY_S.
        """
        host = self._neighbours.find(worker.host, worker.life)
        if host is None or len(self._open) >= self._max_open or not host.may_try(self._clock()):
            self.failed_total += 1
            raise WorkerGoneError
        sealed = seal(
            self._key,
            (worker.host, worker.life, worker.slot, worker.incarnation),
            request,
            is_open=is_open,
            now=self._unix_time(),
        )
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout(TRY_S):
                    reader, writer = await asyncio.open_connection(host.address, host.port, limit=MAX_HEAD_BYTES)
                    await stack.enter_async_context(self._held(writer, host))
                    writer.write(sealed if self._tls else sealed + request)
                    said = await reader.read(1)
            except (OSError, TimeoutError) as error:
                host.failed(self._clock())
                self.failed_total += 1
                raise WorkerGoneError from error
            host.succeeded()
            if said != GO_ON:
                self._on_refused(host, _REASONS.get(said))
                raise WorkerGoneError
            if self._tls is not None:
                await self._encrypt(writer, host, self._tls)
                writer.write(request)
            self.sent_total += 1
            yield reader, writer

    async def _encrypt(self, writer: asyncio.StreamWriter, host: Neighbour, tls: ssl.SSLContext) -> None:
        """Speak TLS from here on, with its worker. Nothing of the request has been said yet. Raises WorkerGoneError."""
        try:
            async with asyncio.timeout(TRY_S):
                await writer.start_tls(tls, server_hostname=host.address)
        except (OSError, TimeoutError) as error:
            self._on_refused(host, _tls_reason(error))
            raise WorkerGoneError from error

    @asynccontextmanager
    async def _held(self, writer: asyncio.StreamWriter, host: Neighbour) -> AsyncIterator[None]:
        self._open[writer] = host
        try:
            async with closing(writer):
                yield
        finally:
            del self._open[writer]

    def _on_refused(self, host: Neighbour, reason: str | None) -> None:
        """`reason`: what the operator can do something about."""
        self.failed_total += 1
        now = self._clock()
        if reason and now - self._complained_at.get(host.number, -COMPLAIN_S) >= COMPLAIN_S:
            self._complained_at[host.number] = now
            logger.warning("relay: host %d takes nothing from this one: %s", host.number, reason)


def _tls_reason(error: Exception) -> str | None:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not good ({error.verify_message})"
    return f"TLS with it fails ({error.reason})" if isinstance(error, ssl.SSLError) else None
