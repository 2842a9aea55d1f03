"""Engine: what the HTTP and the WebSocket shell share: options, sessions, opening one, finding one, relaying.

Knows no bytes of either transport. Serves the flow "Polling → WebSocket".
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Protocol

from reaktor.config.model import EngineIO
from reaktor.engineio.application import EngineApplication, Refusal
from reaktor.engineio.codec_v3 import CODEC_V3
from reaktor.engineio.codec_v4 import CODEC_V4
from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.machine import SessionMachine
from reaktor.engineio.packets import V3, V4, Codec, Packet, PacketType
from reaktor.engineio.registry import Registry
from reaktor.engineio.request import WEBSOCKET, EngineError, Request, RequestError
from reaktor.engineio.sid import Worker, new_sid, worker_of
from reaktor.engineio.tasks import Tasks
from reaktor.web.scope import Receive, Scope, Send, came_privately, header

CODECS: dict[int, Codec] = {V3: CODEC_V3, V4: CODEC_V4}
RELAYED_HEADER = b"x-reaktor-relayed"


class WorkerGoneError(Exception):
    """The worker that a sid names can't be reached, and nothing has been answered yet."""


class Relay(Protocol):
    """Hands a request to another worker of this cluster."""

    async def __call__(self, worker: Worker, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with what that worker answers. Raises WorkerGoneError as long as nothing was sent."""

    def client_left(self, worker: Worker, sid: str) -> None:
        """The client of that worker's session was told that it is unknown, so it begins another one."""


class Engine:
    """The sessions of one worker, over one application."""

    def __init__(
        self,
        options: EngineIO,
        application: EngineApplication,
        *,
        worker: Worker,
        relay: Relay | None,
        clock: Callable[[], float],
    ) -> None:
        self.options = options
        self.application = application
        self.worker = worker
        self.relay = relay
        self.clock = clock
        self.tasks = Tasks()
        self.registry = Registry(options.max_sessions, clock)
        self.is_accepting = True

    def route(self, request: Request, scope: Scope) -> Worker | None:
        """The other worker that has this sid, or None when it is for us to answer.

        A relayed request is never relayed again; the mark counts only where no client can set it.
        """
        owner = worker_of(request.sid) if request.sid is not None else None
        if owner is None or owner == self.worker or self.relay is None:
            return None
        is_relayed = came_privately(scope) and header(scope, RELAYED_HEADER) is not None
        return None if is_relayed else owner

    def find(self, request: Request) -> EngineSession:
        """The session of a request with a sid. Raises RequestError: unknown, or of another revision."""
        session = self.registry.get(request.sid or "")
        if session is None:
            raise RequestError(EngineError.UNKNOWN_SID)
        if request.revision != session.revision:
            raise RequestError(EngineError.BAD_REQUEST)
        return session

    async def open(self, request: Request) -> EngineSession | Refusal:
        """A handshake whose method is right: a session that waits for its transport, or why not.

        Raises RequestError when EIO is neither 3 nor 4.
        """
        if request.revision is None:
            raise RequestError(EngineError.UNSUPPORTED)
        if not self.is_accepting or self.registry.is_full:
            return Refusal(503, {"message": "Service unavailable"})
        sid = new_sid(self.worker)
        is_websocket = request.transport == WEBSOCKET
        machine = SessionMachine(
            self.options,
            request.revision,
            self._open_packet(sid, request),
            websocket=is_websocket,
            now=self.clock(),
        )
        session = EngineSession(
            sid,
            request,
            CODECS[request.revision],
            machine,
            self.application,
            self.registry,
            self.clock,
            self.options.max_queued_bytes,
        )
        refusal = await self.application.open(session)
        if refusal is not None:
            return refusal
        self.registry.add(session)
        self.application.opened(session)
        return session

    def _open_packet(self, sid: str, request: Request) -> Packet:
        fields: dict[str, Any] = {
            "sid": sid,
            "upgrades": [] if request.transport == WEBSOCKET else [WEBSOCKET],
            "pingInterval": round(self.options.ping_interval_s * 1000),
            "pingTimeout": round(self.options.ping_timeout_s * 1000),
        }
        if request.revision == V4:
            fields["maxPayload"] = self.options.max_payload_bytes
        return Packet(PacketType.OPEN, json.dumps(fields, separators=(",", ":")))
