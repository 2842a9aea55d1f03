"""A Socket.IO session's place in the hub: frames to its socket, and its end in this protocol's words.

After `41` these clients stay away, so only a ban, a log-out and too many sessions are told so; for everything else
the transport is closed and they come back. Source: docs/protocol.md, "Socket.IO".
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson

from chat.delivery.session import LiveSession
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.sessions import Credentials, SessionInfo
from chat.feeds import Feeds
from chat.selectors import timestamp
from chat.transports.socketio import events
from chat.transports.socketio.events import ReadyFrame, SocketIOFormat
from reaktor.errors import CloseCode, Disconnect, ErrorCode
from reaktor.socketio.socket import Socket

FORMAT = SocketIOFormat(now=lambda: timestamp(datetime.now(UTC)))
ERROR_CODES = {
    CloseCode.BANNED: ErrorCode.BANNED,
    CloseCode.LOGGED_OUT: ErrorCode.NOT_AUTHENTICATED,
    CloseCode.TOKEN_EXPIRED: ErrorCode.NOT_AUTHENTICATED,
    CloseCode.TOO_MANY_SESSIONS: ErrorCode.TOO_MANY_SESSIONS,
}


class Offsets:
    """What the sessions in one set of channels have been sent so far, encoded once for all of them."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds = feeds
        self._ready: dict[frozenset[ChannelKey], tuple[dict[str, int], ReadyFrame]] = {}

    def frame(self, channels: frozenset[ChannelKey]) -> ReadyFrame:
        """`["offset", "{\\"general\\": 1042}"]`: the client remembers the string, and says it when it comes back."""
        heads = {str(key): feed.head for key in channels if (feed := self._feeds.get(key)) is not None}
        known = self._ready.get(channels)
        if known is not None and known[0] == heads:
            return known[1]
        if len(self._ready) > 1_000:
            self._ready.clear()
        frame = ReadyFrame(events.OFFSET, orjson.dumps(heads).decode())
        self._ready[channels] = (heads, frame)
        return frame


class SocketIOSession(LiveSession):
    """One client of /socket.io/ that has joined."""

    __slots__ = ("_expires_at", "_offsets", "recoverable", "socket")

    def __init__(
        self,
        info: SessionInfo,
        user: UserRef,
        socket: Socket,
        offsets: Offsets,
        *,
        credentials: Credentials,
        expires_at: float,
        recoverable: bool,
    ) -> None:
        super().__init__(info, user, FORMAT, credentials)
        self.socket = socket
        self.recoverable = recoverable
        self._offsets = offsets
        self._expires_at = expires_at

    @property
    def unsent_bytes(self) -> int:
        """0: Engine.IO bounds what its clients owe, on polling as well."""
        return 0

    def write(self, frames: list[Any]) -> None:
        if not self.is_open:
            return
        if self.recoverable and any(frame.is_durable for frame in frames):
            frames.append(self._offsets.frame(frozenset(self.channels)))
        revision = self.socket.revision
        self.socket.write(b"".join([frame.frame(revision) for frame in frames]), frames)

    def close(self, disconnect: Disconnect) -> None:
        if not self.is_open:
            return
        frames, self.outbox = self.outbox, []
        if frames:
            self.write(frames)
        self.is_open = False
        code = ERROR_CODES.get(disconnect.code)
        if code is not None:
            self.socket.emit(events.ERROR, {"code": code.value, "message": disconnect.text})
        if disconnect.code.may_come_back:
            self.socket.close_transport(int(disconnect.code))
        else:
            self.socket.disconnect()

    def tick(self, now: float) -> None:
        """Engine.IO has its own heartbeat; what is left is the token's end."""
        if datetime.now(UTC).timestamp() > self._expires_at:
            self.close(Disconnect(CloseCode.LOGGED_OUT, "the token has expired"))
