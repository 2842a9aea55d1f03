"""/healthz and /readyz, as a plain ASGI application: they answer while every database thread is busy.

/healthz says 200 while the loop turns. /readyz says 200 or 503, and to insiders also
{"database", "bus", "replica", "version", "host"}. A replica may be without an authority for a while: all hosts are
then, and a balancer that asks would have none left.
"""

from __future__ import annotations

from typing import Any

from reaktor import __version__
from reaktor.addresses import IpNetwork
from reaktor.db.database import probe
from reaktor.errors import ReaktorError
from reaktor.process import node
from reaktor.web.insiders import is_insider
from reaktor.web.reply import NO_STORE, json_reply
from reaktor.web.scope import Receive, Scope, Send


class HealthApplication:
    """Both paths; anything else must not be routed here. `allow`: who else than loopback is told the parts."""

    def __init__(self, allow: tuple[IpNetwork, ...] = ()) -> None:
        self._allow = allow

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/healthz":
            await json_reply(200, {"status": "ok"}, NO_STORE).send(scope, send)
            return
        parts = await self._parts()
        is_ready = all(parts.values())
        body: dict[str, Any] = {"status": "ready" if is_ready else "not ready"}
        if is_insider(scope, self._allow):
            running = node.current()
            host = {} if running is None else {"host": running.runtime.config.host_name}
            body |= {**parts, "version": __version__, **host}
        await json_reply(200 if is_ready else 503, body, NO_STORE).send(scope, send)

    async def _parts(self) -> dict[str, bool]:
        running = node.current()
        if running is None:
            return {"database": False, "bus": False, "replica": False}
        try:
            await running.runtime.database.read(probe)
            database = True
        except ReaktorError:
            database = False
        status = running.runtime.status()
        return {"database": database, "bus": status["bus"], "replica": status["follows"]}
