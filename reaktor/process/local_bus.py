"""How commands are heard by a server that is one process: over a Unix socket in its run directory.

A server with a Redis hears them there. Without one it listens itself: LocalBus is the server's side, LocalWire a
command's. A line asks: {"group", "kind", "body"} as JSON. A line answers: true when it was said on the server's bus,
else false. The socket's directory is its user's alone, which is all the access control.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reaktor.process.bus import Bus, BusError

logger = logging.getLogger(__name__)

SCHEME = "local://"
MAX_LINE_BYTES = 1024 * 1024
ANSWER_S = 2.0


class LocalBus:
    """Says on the bus of this process what commands ask it to say, for as long as run() does."""

    def __init__(self, path: Path, bus: Bus) -> None:
        self._path, self._bus = path, bus

    @property
    def url(self) -> str:
        """What a LocalWire is made with."""
        return f"{SCHEME}{self._path}"

    async def run(self) -> None:
        """Listen until cancelled."""
        server = await asyncio.start_unix_server(self._on_connection, self._path, limit=MAX_LINE_BYTES)
        os.chmod(self._path, 0o600)
        async with server:
            await server.serve_forever()

    async def _on_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._say(json.loads(line))).encode() + b"\n")
                async with asyncio.timeout(ANSWER_S):
                    await writer.drain()
        except (TimeoutError, ValueError, KeyError, OSError) as error:
            logger.debug("local bus: %s", error)
        finally:
            writer.close()

    async def _say(self, asked: dict[str, Any]) -> bool:
        try:
            await self._bus.broadcast(asked["group"], asked["kind"], asked["body"])
        except BusError:
            return False
        return True


class LocalWire:
    """A command's connection to such a server; blocks."""

    def __init__(self, url: str, timeout_s: float) -> None:
        self._path, self._timeout_s = url.removeprefix(SCHEME), timeout_s
        self._socket: socket.socket | None = None

    def publish(self, group: str, kind: str, body: Mapping[str, Any]) -> bool:
        """Whether the server has said it. Raises OSError or ValueError when it does not answer; it may be repeated."""
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._socket.settimeout(self._timeout_s)
                self._socket.connect(self._path)
            self._socket.sendall(json.dumps({"group": group, "kind": kind, "body": body}).encode() + b"\n")
            with self._socket.makefile("rb") as stream:
                return bool(json.loads(stream.readline()))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """May be repeated."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
