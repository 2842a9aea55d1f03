"""A Socket.IO session's place in the hub: frames to its socket, and its end in this protocol's words.

After `41` these clients stay away, so only a ban, a log-out and too many sessions are told so; for everything else
the transport is closed and they come back. When the token ends, too: from 3.x on they bring a new one by themselves.
Source: docs/protocol.md, "Socket.IO".
"""

from __future__ import annotations

import time
from datetime import UTC, datetime

import orjson

from accounts.authentication import Claims
from chat.delivery.hub import Hub
from chat.delivery.live_session import LiveSession
from chat.domain.ids import UserRef
from chat.domain.sessions import SessionInfo
from chat.live.feeds import Feeds
from chat.live.revalidation import credentials_of
from chat.transports.socketio import events
from chat.transports.socketio.events import Frame, FrameBatch, SocketIOFormat
from chat.transports.views import ChatSide
from reaktor.engineio.packets import ReadyBatch, ReadyPacket
from reaktor.errors import BannedError, Bye, CloseCode, ErrorCode, ErrorDetail
from reaktor.socketio.packet import ready_event
from reaktor.socketio.socket import Socket
from reaktor.times import timestamp


def _now() -> str:
    return timestamp(datetime.now(UTC))


def _page_url() -> str:
    return ChatSide.app().config.page_url


FORMAT, FULL_FORMAT = SocketIOFormat(_now, _page_url), SocketIOFormat(_now, _page_url, is_full=True)
ERROR_CODES = {
    CloseCode.BANNED: ErrorCode.BANNED,
    CloseCode.LOGGED_OUT: ErrorCode.NOT_AUTHENTICATED,
    CloseCode.TOKEN_EXPIRED: ErrorCode.NOT_AUTHENTICATED,
    CloseCode.TOO_MANY_SESSIONS: ErrorCode.TOO_MANY_SESSIONS,
}


def _told(code: ErrorCode, bye: Bye) -> ErrorDetail:
    if bye.terms is not None:
        return events.error_payload(BannedError(terms=bye.terms))
    return {"code": code.value, "message": bye.text}


class SocketIOSession(LiveSession):
    """One client of /socket.io/ that has joined."""

    __slots__ = ("_expiry_warning_s", "_feeds", "_hub", "_warned", "expires_at", "recoverable", "socket")

    def __init__(
        self,
        info: SessionInfo,
        user: UserRef,
        socket: Socket,
        hub: Hub,
        feeds: Feeds,
        *,
        claims: Claims,
        expiry_warning_s: float,
        recoverable: bool,
        wants_all: bool,
    ) -> None:
        super().__init__(info, user, FULL_FORMAT if wants_all else FORMAT, credentials_of(claims))
        self.socket = socket
        self.recoverable = recoverable
        self._hub = hub
        self._feeds = feeds
        self._expiry_warning_s = expiry_warning_s
        self._warned = False
        self.expires_at: float = claims.expires_at

    @property
    def doubtful_since(self) -> float | None:
        return self.socket.doubtful_since

    @property
    def unsent_bytes(self) -> int:
        """0: Engine.IO bounds what its clients owe, on polling as well."""
        return 0

    @property
    def is_heard(self) -> bool:
        """Also of one that was closed here: what was sent before goes out before the close."""
        return self.socket.is_heard or not self.is_open

    @property
    def is_writable(self) -> bool:
        return not self.outbox and self.socket.is_writable

    def write(self, batch: FrameBatch) -> None:
        if not self.is_open:
            return
        if self.recoverable and batch.moves_offset:
            self.socket.write(self._with_offset(batch))
        else:
            self.socket.write(batch)

    def _with_offset(self, batch: FrameBatch) -> ReadyBatch:
        """The batch, and behind it what its reader has been sent so far: `["offset", "{\\"general\\": 1042}"]`.

        The client remembers the string, and says it when it comes back. Made once for all in the same channels and
        equally far on their way into others: no feed moves while a batch is written.
        """
        usual = batch.usual
        if usual is not None and not self.waiting and usual[0] == self.channels:
            return usual[1]
        on_its_way = {key: self.sent.get(key, after) for key, after in self.waiting.items() if after is not None}
        channels = frozenset(self.channels)
        place = (channels, frozenset(on_its_way.items()))
        found = batch.with_offset.get(place)
        if found is None:
            heads = {str(key): feed.head for key in self.channels if (feed := self._feeds.get(key)) is not None}
            offset = ready_event(events.OFFSET, orjson.dumps({**on_its_way, **heads}).decode())
            found = batch.with_offset[place] = ReadyBatch([*batch.packets, offset])
        if not self.waiting:
            batch.usual = (channels, found)
        return found

    def say(self, packet: ReadyPacket | None, *, moves_offset: bool = False) -> None:
        """An answer, in order with the events for this session; see Frame."""
        self._hub.send(self, Frame(packet, moves_offset))

    def close(self, bye: Bye) -> None:
        if not self.is_open:
            return
        frames, self.outbox = self.outbox, []
        if frames:
            self.write(self.format.join(frames))
        self.is_open = False
        code = ERROR_CODES.get(bye.code)
        if code is not None:
            self.socket.emit(events.ERROR, _told(code, bye))
        if bye.code.may_come_back:
            self.socket.close_transport(int(bye.code))
        else:
            self.socket.disconnect()

    def renew(self, claims: Claims) -> None:
        """A newer token."""
        self.expires_at = claims.expires_at
        self.credentials = credentials_of(claims)
        self._warned = False

    def tick(self, now: float) -> None:
        """Engine.IO has its own heartbeat; what is left is the token's clock: a warning before its end, then the end.

        Without native's grace: who comes back with a new token loses nothing.
        """
        left_s = self.expires_at - time.time()
        if left_s <= 0:
            self.close(Bye(CloseCode.TOKEN_EXPIRED, "the token has expired"))
        elif left_s < self._expiry_warning_s and not self._warned and not self.is_starting:
            self._warned = True
            self.say(ready_event(events.AUTH_EXPIRING, events.expiry_payload(self.expires_at)))
