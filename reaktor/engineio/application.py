"""What sits on top of Engine.IO: the two sides of that border, as protocols."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from reaktor.engineio.packets import CloseReason

if TYPE_CHECKING:
    from reaktor.engineio.engine_session import EngineSession


@dataclass(frozen=True, slots=True)
class Refusal:
    """No session: an HTTP status and a JSON object for a polling client; a WebSocket is refused before accept."""

    status: int
    body: Mapping[str, Any]


class EngineApplication(Protocol):
    """Takes what clients say. Called in the loop; `message` and `closed` must not block and must not raise."""

    async def open(self, session: EngineSession) -> Refusal | None:
        """A handshake. The session can't be sent to yet; a Refusal ends it before its client has heard of it."""

    def opened(self, session: EngineSession) -> None:
        """The session exists; what is sent from now on follows the open packet."""

    def message(self, session: EngineSession, data: str | bytes) -> None:
        """One message, in the client's order. Too busy: session.pause_reading()."""

    def closed(self, session: EngineSession, reason: CloseReason) -> None:
        """The end of a session that was `opened`, told exactly once; what is sent from now on is dropped."""
