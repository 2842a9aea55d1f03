"""Sounding: how much of what was sent through another worker has come to it, asked by WebSocket pings behind the data.

Who stands between answers each ping when it has read what was sent before it. Where the way to it is cut, or it is
gone, all that was sent since the last ping that it answered is in doubt. Pure: times are seconds of the caller's clock.
Source: RFC 6455, sections 5.5.2 and 5.5.3.
"""

from __future__ import annotations

from collections import deque

from reaktor.web.websocket_frames import Opcode, encode_frame

EVERY_S = 1.0
MAX_UNANSWERED = 100
"""More are not asked: no way is silent for so long and lives."""


class Sounding:
    """Of one socket: ping() behind what was sent, heard() for each answer. `proven_at`: all sent before has come."""

    __slots__ = ("_asked", "_count", "_due", "proven_at")

    def __init__(self, now: float) -> None:
        self.proven_at = now
        self._asked: deque[tuple[bytes, float]] = deque()
        self._count = 0
        self._due = now

    def ping(self, now: float) -> bytes | None:
        """A frame to send behind what is sent now; None: one was sent a moment ago."""
        if now < self._due or len(self._asked) >= MAX_UNANSWERED:
            return None
        self._due = now + EVERY_S
        self._count += 1
        payload = b"%d" % self._count
        self._asked.append((payload, now))
        return encode_frame(Opcode.PING, payload)

    def heard(self, payload: bytes) -> None:
        """The answer to a ping, and with it to those before it; what is none of ours changes nothing."""
        if any(asked == payload for asked, _ in self._asked):
            while self._asked:
                asked, self.proven_at = self._asked.popleft()
                if asked == payload:
                    break

    def is_late(self, now: float, after_s: float) -> bool:
        """Whether a ping of so long ago has no answer."""
        return bool(self._asked) and now - self._asked[0][1] > after_s
