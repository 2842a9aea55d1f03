"""The conformance server: Engine.IO echo at /engine.io/, Socket.IO at /socket.io/, served by Daphne.

`python -m tests.support.conformance PORT`; `make conformance-server PORT=…` sets the timings that the published suites
expect. Timings come from the environment by reaktor.config.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from reaktor.config import Config, EngineIO
from reaktor.engineio.engine import Receive, Relay, Send
from reaktor.engineio.request import Scope
from reaktor.engineio.server import EngineServer
from reaktor.socketio.server import SocketIOServer
from tests.support.engineio_echo import Echo
from tests.support.socketio_suite_app import NAMESPACES, SuiteApplication


class ConformanceApplication:
    """Both servers behind their paths, as one ASGI application; they run from the first request on, or inside run()."""

    def __init__(
        self, options: EngineIO, *, worker: tuple[int, int] = (0, 0), relay: Relay | None = None, jsonp: bool = False
    ) -> None:
        self.echo = Echo()
        self.suite = SuiteApplication()
        self.engineio = EngineServer(options, self.echo, worker=worker, relay=relay, allow_jsonp=jsonp)
        self.socketio = SocketIOServer(
            options, self.suite, namespaces=NAMESPACES, worker=worker, relay=relay, allow_jsonp=jsonp
        )
        self._running: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._running:
            self._running = [asyncio.ensure_future(server.run()) for server in (self.engineio, self.socketio)]
        if scope["path"].startswith("/engine.io/"):
            await self.engineio(scope, receive, send)
        elif scope["path"].startswith("/socket.io/"):
            await self.socketio(scope, receive, send)
        elif scope["type"] == "http":
            await send({"type": "http.response.start", "status": 404, "headers": []})
            await send({"type": "http.response.body", "body": b"not found\n"})
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


def serve(port: int, options: EngineIO, *, unix: Path | None = None, **arguments: Any) -> None:
    """Run Daphne until it is told to stop; says `ready` on standard output once it listens."""
    from daphne.server import Server

    endpoints = [f"tcp:port={port}:interface=127.0.0.1"]
    if unix is not None:
        endpoints.append(f"unix:{unix}")
    Server(
        ConformanceApplication(options, **arguments),
        endpoints=endpoints,
        websocket_timeout=-1,
        websocket_max_message_size=options.max_payload_bytes,
        ready_callable=lambda: print("ready", flush=True),
        server_name="",
    ).run()


if __name__ == "__main__":
    config = Config.from_mapping(os.environ)
    serve(int(sys.argv[1]), dataclasses.replace(config.engineio))
