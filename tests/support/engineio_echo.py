"""An Engine.IO application that sends every message back: what the published Engine.IO suites drive."""

from __future__ import annotations

from reaktor.engineio.application import Refusal
from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.packets import CloseReason


class Echo:
    """Keeps the reasons of ended sessions, for tests."""

    def __init__(self) -> None:
        self.sessions: list[EngineSession] = []
        self.reasons: list[CloseReason] = []

    async def open(self, session: EngineSession) -> Refusal | None:
        if "refuse" in session.request.query:
            return Refusal(401, {"error": "no"})
        return None

    def opened(self, session: EngineSession) -> None:
        self.sessions.append(session)

    def message(self, session: EngineSession, data: str | bytes) -> None:
        session.send(data)

    def closed(self, session: EngineSession, reason: CloseReason) -> None:
        self.reasons.append(reason)
