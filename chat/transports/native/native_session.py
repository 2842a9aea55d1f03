"""A native session: its place in the hub, its heartbeat, its token's clock, its limits.

The consumer feeds it with what the client says; tick() (once a second, from the runtime) pings, warns and closes.
Source: docs/protocol.md, "Heartbeat and slow clients" and "Close codes".
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import UTC, datetime

from accounts.authentication import Claims
from chat.delivery.live_session import LiveSession
from chat.domain.events import Event, EventType, ExpiryData
from chat.domain.ids import UserRef
from chat.domain.sessions import Credentials, SessionInfo
from chat.live.revalidation import credentials_of
from chat.transports.native import protocol
from reaktor.config.model import Limits, NativeTimings
from reaktor.errors import Bye, CloseCode
from reaktor.limits.ratelimit import TokenBucket
from reaktor.times import timestamp
from reaktor.web.frame_sink import FrameSink


class NativeSession(LiveSession):
    """One client of /ws/v1 after its hello."""

    __slots__ = (
        "_expires_at",
        "_limits",
        "_now",
        "_on_close",
        "_pinged_at",
        "_seen_at",
        "_sink",
        "_timings",
        "_typing_at",
        "_typings",
        "_warned",
    )

    def __init__(
        self,
        info: SessionInfo,
        user: UserRef,
        sink: FrameSink,
        *,
        expires_at: float,
        limits: Limits,
        timings: NativeTimings,
        on_close: Callable[[Bye], None],
        credentials: Credentials,
    ) -> None:
        super().__init__(info, user, protocol.FORMAT, credentials)
        self._sink = sink
        self._expires_at = expires_at
        self._limits = limits
        self._timings = timings
        self._on_close = on_close
        self._now = asyncio.get_running_loop().time
        self._seen_at = self._now()
        self._pinged_at: float | None = None
        self._warned = False
        self._typing_at: dict[str, float] = {}
        self._typings = TokenBucket()

    @property
    def unsent_bytes(self) -> int:
        return self._sink.unsent_bytes

    @property
    def expires_at(self) -> str:
        """When the token ends."""
        return timestamp(datetime.fromtimestamp(self._expires_at, UTC))

    def write(self, batch: bytes) -> None:
        if self.is_open:
            self._sink.write(batch)

    def close(self, bye: Bye) -> None:
        if not self.is_open:
            return
        frames, self.outbox = self.outbox, []
        # A client that is too slow to read what it is owed still learns why, at the end of that.
        self._sink.write(b"".join(frames) + protocol.bye(bye) if frames else protocol.bye(bye))
        self.is_open = False
        self._on_close(bye)

    def seen(self) -> None:
        """The client said something: it is alive."""
        self._seen_at = self._now()
        self._pinged_at = None

    def renew(self, claims: Claims) -> None:
        """A newer token."""
        self._expires_at = claims.expires_at
        self.credentials = credentials_of(claims)
        self._warned = False

    def may_tell_typing(self, key: str, *, is_on: bool) -> bool:
        """At most one `typing on` per channel and interval, and an "off" only after one; the rest is dropped.

        In all channels together as many as `limits.operations`, beside those: typing is free, and still no flood.
        Nobody misses what is dropped.
        """
        if not is_on:
            return self._typing_at.pop(key, None) is not None
        now = self._now()
        if key in self._typing_at and now - self._typing_at[key] < self._timings.typing_interval_s:
            return False
        if self._limits.enabled and self._typings.take(self._limits.operations, now) is not None:
            return False
        if len(self._typing_at) > self._limits.channels_per_session:
            self._typing_at.clear()
        self._typing_at[key] = now
        return True

    def tick(self, now: float) -> None:
        """Ping after silence, close without a pong, warn before the token expires, close after it did."""
        timings = self._timings
        if self._pinged_at is not None:
            if now - self._pinged_at > timings.pong_timeout_s:
                self.close(Bye(CloseCode.NO_PONG))
        elif now - self._seen_at > timings.ping_interval_s:
            self._pinged_at = now
            self.write(protocol.PING)
        left = self._expires_at - time.time()
        if left < -timings.expiry_grace_s:
            self.close(Bye(CloseCode.TOKEN_EXPIRED))
        elif left < timings.expiry_warning_s and not self._warned:
            self._warned = True
            self.write(_expiring(self.expires_at))


def _expiring(expires_at: str) -> bytes:
    frame = protocol.FORMAT.encode(Event(EventType.AUTH_EXPIRING, None, ExpiryData(expires_at=expires_at)))
    assert frame is not None  # noqa: S101  this format has a word for it
    return frame
