"""The conformance server: Engine.IO echo at /engine.io/, Socket.IO at /socket.io/, served by Daphne.

`python -m tests.support.conformance PORT`; `make conformance-server PORT=…` sets the timings that the published suites
expect. Timings come from the environment by reaktor.config.environment.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from reaktor.config.environment import config_from
from reaktor.config.model import EngineIO
from reaktor.engineio.engine import Relay
from reaktor.engineio.relay import WorkerRelay
from reaktor.engineio.server import EngineServer
from reaktor.socketio.server import SocketIOServer
from reaktor.web.reply import text_reply
from reaktor.web.scope import Receive, Scope, Send
from tests.support.engineio_echo import Echo
from tests.support.socketio_suite_app import NAMESPACES, SuiteApplication


class ConformanceApplication:
    """Both servers behind their paths, as one ASGI application; they run from the first request on, or inside run()."""

    def __init__(self, options: EngineIO, *, worker: tuple[int, int] = (0, 0), relay: Relay | None = None) -> None:
        self.echo = Echo()
        self.suite = SuiteApplication()
        self.engineio = EngineServer(options, self.echo, worker=worker, relay=relay)
        self.socketio = SocketIOServer(options, self.suite, namespaces=NAMESPACES, worker=worker, relay=relay)
        self._running: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._running:
            self._running = [asyncio.ensure_future(server.run()) for server in (self.engineio, self.socketio)]
        if scope["path"].startswith("/engine.io/"):
            await self.engineio(scope, receive, send)
        elif scope["path"].startswith("/socket.io/"):
            await self.socketio(scope, receive, send)
        elif scope["type"] == "http":
            await text_reply(404, "not found\n").send(scope, send)
        else:
            await send({"type": "websocket.close"})

    @contextlib.asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Keep both servers running inside a test."""
        self._running = [asyncio.ensure_future(server.run()) for server in (self.engineio, self.socketio)]
        try:
            yield
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)


def serve(port: int, options: EngineIO, *, unix: Path | None = None, plain: bool = False, **arguments: Any) -> None:
    """Run our Daphne, or the stock one, until told to stop; says `ready` on standard output before it listens."""
    endpoints = [f"tcp:port={port}:interface=127.0.0.1"]
    if unix is not None:
        endpoints.append(f"unix:{unix}:mode=600:lockfile=0")
    application = ConformanceApplication(options, **arguments)
    daphne: dict[str, Any] = {"endpoints": endpoints, "ready_callable": lambda: print("ready", flush=True)}
    # Imported here: this installs Twisted's reactor, and tests import this module for its application alone.
    if plain:
        from daphne.server import Server as PlainServer

        daphne |= {"websocket_timeout": -1, "websocket_max_message_size": 2 * options.max_payload_bytes}
        PlainServer(application, **daphne).run()
        return
    from reaktor.cluster.daphne import Server

    # Above the engine's own limit, so that the engine is what is tested.
    room = 2 * options.max_payload_bytes
    Server(application, body_bytes=room, message_bytes=room, **daphne).run()


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--plain", action="store_true", help="serve with the stock Daphne instead of ours")
    parser.add_argument("--unix", type=Path, help="listen on this Unix socket, too")
    parser.add_argument("--worker", default="0.0.0.0", help="host.life.slot.incarnation in the sids")
    parser.add_argument("--relay", help="where other workers listen, with {slot} and {incarnation} in it")
    given = parser.parse_args(arguments)
    options = config_from(os.environ).engineio
    host, life, slot, incarnation = map(int, given.worker.split("."))
    relay = None
    if given.relay:
        relay = WorkerRelay(
            (host, life),
            lambda slot, incarnation: Path(given.relay.format(slot=slot, incarnation=incarnation)),
            patience_s=options.ping_interval_s + options.ping_timeout_s + 5,
            max_body_bytes=options.max_payload_bytes,
        )
    serve(given.port, options, unix=given.unix, plain=given.plain, worker=(host, life, slot, incarnation), relay=relay)


if __name__ == "__main__":
    main(sys.argv[1:])
