"""What sits on top of Engine.IO, as a protocol: it is asked about handshakes and told what the clients say."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from reaktor.engineio.engine_session import EngineSession, SessionListener


@dataclass(frozen=True, slots=True)
class Refusal:
    """No session: an HTTP status and a JSON object for a polling client; a WebSocket is refused before accept."""

    status: int
    body: Mapping[str, Any]


class EngineApplication(SessionListener, Protocol):
    """Lets clients in, and takes what they say: message() and closed() are SessionListener's. Called in the loop."""

    async def open(self, session: EngineSession) -> Refusal | None:
        """A handshake. The session can't be sent to yet; a Refusal ends it before its client has heard of it."""

    def opened(self, session: EngineSession) -> None:
        """The session exists; what is sent from now on follows the open packet."""
