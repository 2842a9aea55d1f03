"""/metrics, as a plain ASGI application: any process answers for the whole server, to insiders only.

reaktor.asgi says where the figures come from: a worker asks its supervisor (reaktor.cluster.control), a lone process
has everything itself (of_process). Scrapes that come together share one answer.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable
from typing import Any

from reaktor.addresses import IpNetwork
from reaktor.errors import UnavailableError
from reaktor.observe.exposition import CONTENT_TYPE, exposition
from reaktor.observe.memory import rss_bytes
from reaktor.observe.metrics import added
from reaktor.web.insiders import is_insider
from reaktor.web.reply import NO_STORE, Reply, bytes_reply, text_reply
from reaktor.web.scope import Receive, Scope, Send

logger = logging.getLogger(__name__)

Source = Callable[[], Awaitable[dict[str, Any]]]


def of_process(runtime: Any) -> dict[str, Any]:
    """The picture of a process that is the whole server: slot 0, and the authority that runs inside."""
    own = {
        "counters": {"worker_restarts": 0, "worker_crashes": 0},
        "gauges": {"workers_ready": 1, "memory_bytes": rss_bytes(os.getpid()) or 0, "replica_lag": 0},
    }
    server = runtime.authority.status()["metrics"]
    found = runtime.hosts()
    alive = {"hosts_alive": sum(host["is_alive"] for host in found)}
    hosts = {"gauges": alive | {f"lease_holder:{host['name']}": 1 for host in found if host["decides"]}}
    workers = {"0": added([runtime.metrics(), own])}
    return {"workers": workers, "server": added([server, hosts]), "host": runtime.config.host_name}


class MetricsApplication:
    """`source` gives the picture, or raises UnavailableError."""

    def __init__(self, source: Source, allow: tuple[IpNetwork, ...] = ()) -> None:
        self._source = source
        self._allow = allow
        self._answering: asyncio.Task[bytes] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (await self._reply(scope)).send(scope, send)

    async def _reply(self, scope: Scope) -> Reply:
        if not is_insider(scope, self._allow):
            return text_reply(404, "There is nothing here.\n", NO_STORE)
        if scope["method"] not in {"GET", "HEAD"}:
            return text_reply(405, "GET or HEAD.\n", NO_STORE, (b"allow", b"GET, HEAD"))
        try:
            body = await asyncio.shield(self._shared())
        except UnavailableError as error:
            return text_reply(503, f"{error.message}\n", NO_STORE)
        return bytes_reply(200, CONTENT_TYPE.encode(), body, NO_STORE)

    def _shared(self) -> asyncio.Task[bytes]:
        if self._answering is None or self._answering.done():
            self._answering = asyncio.create_task(self._exposition(), name="metrics")
        return self._answering

    async def _exposition(self) -> bytes:
        picture = await self._source()
        # With many workers that is a lot of text; the loop has sessions to serve.
        return await asyncio.to_thread(exposition, picture)
