"""Who pings whom: the client in revision 3, the server in revision 4. Chosen once per session. Pure.

Source: Engine.IO protocol, "Heartbeat" (revisions 3 and 4).
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import Protocol

from reaktor.engineio.packets import V3, PacketType

# How late a ping may be at our cost alone, and at most half of the timeout: within it, the pong is due when it would
# have been due.
MAX_LATENESS_S = 1.0


class Beat(Enum):
    """What is to be done now."""

    NOTHING = "nothing"
    SEND_PING = "send ping"
    ANSWER_PING = "answer ping"
    DEAD = "dead"
    WRONG_WAY = "wrong way"


class Heartbeat(Protocol):
    """The liveness of one client; times are monotonic seconds."""

    deadline: float

    def on_packet(self, kind: PacketType, now: float) -> Beat:
        """Every packet of the client passes here. NOTHING, ANSWER_PING or WRONG_WAY (end the session)."""

    def on_deadline(self, now: float) -> Beat:
        """`deadline` has come: NOTHING (it had moved), SEND_PING or DEAD."""


class ClientPings:
    """Revision 3: the client pings; nothing at all for interval + timeout means it is gone."""

    __slots__ = ("_patience_s", "deadline")

    def __init__(self, interval_s: float, timeout_s: float, now: float) -> None:
        self._patience_s = interval_s + timeout_s
        self.deadline = now + self._patience_s

    def on_packet(self, kind: PacketType, now: float) -> Beat:
        self.deadline = now + self._patience_s
        if kind is PacketType.PING:
            return Beat.ANSWER_PING
        return Beat.WRONG_WAY if kind is PacketType.PONG else Beat.NOTHING

    def on_deadline(self, now: float) -> Beat:
        return Beat.DEAD if now >= self.deadline else Beat.NOTHING


class ServerPings:
    """Revision 4: the server pings every interval; a pong that is not there after timeout means it is gone."""

    __slots__ = ("_interval_s", "_pong_due", "_timeout_s", "deadline")

    def __init__(self, interval_s: float, timeout_s: float, now: float) -> None:
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._pong_due = inf
        self.deadline = now + interval_s

    def on_packet(self, kind: PacketType, now: float) -> Beat:
        if kind is PacketType.PING:
            return Beat.WRONG_WAY
        if kind is PacketType.PONG and self._pong_due < inf:
            self._pong_due = inf
            self.deadline = now + self._interval_s
        return Beat.NOTHING

    def on_deadline(self, now: float) -> Beat:
        if now < self.deadline:
            return Beat.NOTHING
        if self._pong_due <= now:
            return Beat.DEAD
        lateness_s = min(now - self.deadline, MAX_LATENESS_S, self._timeout_s / 2)
        self._pong_due = self.deadline = now - lateness_s + self._timeout_s
        return Beat.SEND_PING


def heartbeat_for(revision: int, interval_s: float, timeout_s: float, now: float) -> Heartbeat:
    """The heartbeat of a session of this revision that begins now."""
    kind = ClientPings if revision == V3 else ServerPings
    return kind(interval_s, timeout_s, now)
