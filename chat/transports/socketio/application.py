"""Socket.IO clients of the replaced server, and today's: events in, actions called, events out.

An Application of reaktor.socketio. admit() and connect() verify the token, connect() makes the session live (and
takes over what a lost one left), connected() says `logged_in`, event() maps the four things that clients say.
"""

from __future__ import annotations

import hashlib
import logging
import secrets
import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from accounts.authentication import Claims, user_for_claims, verify_token
from chat import selectors
from chat.domain import rules
from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, SessionId, UserRef
from chat.domain.sessions import Ending, Grace, Naming, SessionInfo, Transport
from chat.live import actions
from chat.live.operations import check_rate, check_rate_here, too_many_refusals
from chat.live.runtime import Runtime, current
from chat.live.standings import Look
from chat.posting.batches import Stored
from chat.selectors import user_ref
from chat.transports.socketio import events
from chat.transports.socketio.socketio_session import SocketIOSession
from reaktor.engineio.application import Refusal
from reaktor.engineio.packets import V3
from reaktor.errors import (
    NotAuthenticatedError,
    NotFoundError,
    RateLimitedError,
    ReaktorError,
    TooManySessionsError,
    UnavailableError,
)
from reaktor.socketio.application import Accepted, DisconnectReason, NotNow, Refused
from reaktor.socketio.connection import ConnectRequested
from reaktor.socketio.handshake import Handshake
from reaktor.socketio.packet import ready_event
from reaktor.socketio.socket import Ack, Socket

logger = logging.getLogger(__name__)

MAX_PID_CHARS = 64
_ENDINGS = {
    DisconnectReason.CLIENT_LEFT: Ending.GOODBYE,
    DisconnectReason.SERVER_LEFT: Ending.GOODBYE,
}
"""Only `41` is a goodbye: every other end these clients make of network errors of their own, too."""
ENTER_S = 5.0
"""So long a message waits for its author to be put back into the channel; with the database away it is refused then."""
NOTE_S = 2.0
"""How long what the handshake's token was found to be good for saves the question in connect(), once."""

Found = tuple[Claims, UserRef, Look]
"""Whose token it is, and when the store was asked."""


def _runtime() -> Runtime:
    runtime = current()
    if runtime is None or runtime.is_draining:
        raise UnavailableError("The server is restarting.")
    return runtime


def _public_id(pid: str) -> str:
    """The socket id that goes with a private one: the same again when the client comes back, on any worker."""
    return hashlib.blake2b(pid.encode(), digest_size=15).hexdigest()[:20]


class ChatApplication:
    """One per process; sockets carry their SocketIOSession as `attachment`."""

    # -- Coming -----------------------------------------------------------------------------------------------

    async def admit(self, handshake: Handshake) -> Refusal | None:
        """A bad token in the query is refused at once; none at all only where nothing else can bring one."""
        token = handshake.query.get("token")
        if token is None and handshake.revision != V3:
            return None
        try:
            found = await self._user(_runtime(), token)
        except ReaktorError as error:
            return Refusal(int(error.status), {"error": error.message, "code": error.code.value})
        handshake.notes["user"] = (time.monotonic(), found)
        return None

    async def connect(self, socket: Socket, request: ConnectRequested) -> Accepted | Refused | NotNow:
        try:
            runtime = _runtime()
            async with runtime.arrivals.place():
                if socket.is_gone:
                    return NotNow()
                own = (request.auth or {}).get("token")
                noted = self._noted(socket.handshake)
                if own or noted is None:
                    noted = await self._user(runtime, own or socket.handshake.query.get("token"))
                return await self._start(runtime, socket, request, *noted)
        except TooManySessionsError:
            return Accepted()
        except (UnavailableError, RateLimitedError):
            return NotNow()
        except ReaktorError as error:
            return Refused(error.message, error.as_data(), close=True)

    @staticmethod
    def _noted(handshake: Handshake) -> Found | None:
        """Whom admit() found a moment ago. Once: an Engine.IO session outlives tokens, and may connect again."""
        at, found = handshake.notes.pop("user", (0.0, None))
        return found if time.monotonic() - at <= NOTE_S else None

    async def _user(self, runtime: Runtime, token: object) -> Found:
        if not token:
            raise NotAuthenticatedError("Token is missing")
        try:
            claims = verify_token(token)
        except NotAuthenticatedError:
            raise NotAuthenticatedError("Token is not valid") from None
        runtime.rates.check_may_come(claims.user_id)
        look = runtime.standings.look(time.monotonic())
        return claims, user_ref(await runtime.database.read(user_for_claims, claims)), look

    async def _start(
        self, runtime: Runtime, socket: Socket, request: ConnectRequested, claims: Claims, user: UserRef, look: Look
    ) -> Accepted:
        """Make the session live: in the place of the one that the client names, if that is there, else as a new one.

        Clients take the same private id again for "recovered", so there is a new one whenever that is not true.
        """
        verify = partial(user_for_claims, claims)
        follows: Sequence[Follow] = ()
        if events.wants_all(socket.handshake.query, request.auth):
            follows = (await runtime.database.read(selectors.follows_of, [user.id]))[user.id]
        naming = Naming.NEVER if socket.revision == V3 else Naming.PERHAPS
        if (pid := request.pid) and len(pid) <= MAX_PID_CHARS and "." not in pid:
            naming = Naming.ALWAYS
            session = self._session(runtime, socket, request, pid, claims, user, naming)
            try:
                await runtime.connect(session, verify, look, follows=follows, resume=SessionId(pid))
            except NotFoundError:
                pass
            else:
                remembered = events.parse_offset(request.offset)
                for key, after in session.waiting.items():
                    session.waiting[key] = remembered.get(key, after)
                socket.attachment = session
                return Accepted(_public_id(pid), pid)
        pid = secrets.token_urlsafe(18)
        session = self._session(runtime, socket, request, pid, claims, user, naming)
        await runtime.connect(session, verify, look, follows=follows)
        socket.attachment = session
        return Accepted(_public_id(pid), pid)

    def _session(
        self,
        runtime: Runtime,
        socket: Socket,
        request: ConnectRequested,
        pid: str,
        claims: Claims,
        user: UserRef,
        naming: Naming,
    ) -> SocketIOSession:
        """A session of its own id for each time that the client of this private id is here."""
        recoverable = socket.revision != V3
        timings = runtime.config.membership
        info = SessionInfo(
            session_id=SessionId(f"{pid}.{secrets.token_hex(4)}"),
            user_id=user.id,
            username=user.username,
            worker=runtime.worker,
            transport=Transport.SOCKETIO,
            since=time.time(),
            grace=Grace(timings.quit_grace_s, timings.recovery_keep_s if recoverable else timings.keep_grace_s),
            address=socket.handshake.address or "",
            login=str(claims.login),
            naming=naming,
            marks=socket.handshake.marks,
        )
        return SocketIOSession(
            info,
            user,
            socket,
            runtime.hub,
            runtime.feeds,
            claims=claims,
            expiry_warning_s=runtime.config.native.expiry_warning_s,
            recoverable=recoverable,
            wants_all=events.wants_all(socket.handshake.query, request.auth),
        )

    async def connected(self, socket: Socket) -> None:
        session = socket.attachment
        if session is None:
            socket.emit(events.NAME_TAKEN, {})
            socket.disconnect()
            return
        socket.emit(events.LOGGED_IN, {})
        if (runtime := current()) is not None:
            runtime.local_members.start(session)

    def ended(self, socket: Socket) -> None:
        session = socket.attachment
        if session is not None and (runtime := current()) is not None:
            runtime.note_end(session)

    async def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        session = socket.attachment
        if session is not None and (runtime := current()) is not None:
            runtime.disconnect(session, _ENDINGS.get(reason, Ending.LOST))
            session.is_open = False

    # -- What clients say -------------------------------------------------------------------------------------

    def event_at_once(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> bool:
        """A message waits for nothing once its author is in all their channels."""
        session = socket.attachment
        if name != events.MESSAGE_POST or session is None or not session.is_open or session.waiting:
            return False
        try:
            runtime = _runtime()
            check_rate_here(runtime, session, events.OPERATIONS[name])
            self._post(runtime, session, *events.parse_channel(args[0] if args else None), ack)
        except ReaktorError as error:
            self._refuse(session, ack, error)
        return True

    async def event(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> None:
        """Anything unknown is ignored; anything malformed is answered by `error`, or by the ack when one is asked."""
        session = socket.attachment
        if session is None or not session.is_open:
            return
        payload = args[0] if args else None
        answer: dict[str, int] = {}
        try:
            runtime = _runtime()
            if (operation := events.OPERATIONS.get(name)) is not None:
                await check_rate(runtime, session, operation)
            if name == events.MESSAGE_POST:
                key, data = events.parse_channel(payload)
                if key in session.waiting:
                    await runtime.local_members.entered(session, key, ENTER_S)
                self._post(runtime, session, key, data, ack)
            elif name == events.USER_LEFT:
                key, _ = events.parse_channel(payload)
                await actions.leave_channel(runtime, session, key)
            elif name == events.USER_STATUS_CHANGED:
                _, data = events.parse_channel(payload)
                await actions.set_status(runtime, session, events.parse_status(data.get("status")))
            elif name == events.AUTH_REFRESH:
                session.renew(await actions.refresh_token(runtime, session, events.parse_token(payload)))
                answer = events.expiry_payload(session.expires_at)
        except ReaktorError as error:
            self._refuse(session, ack, error)
        else:
            if ack is not None and name in events.OPERATIONS and name != events.MESSAGE_POST:
                session.say(ack.ready(answer))

    def _post(
        self, runtime: Runtime, session: SocketIOSession, key: ChannelKey, data: Mapping[str, Any], ack: Ack | None
    ) -> None:
        nonce = data.get("nonce")
        actions.post_message(
            runtime,
            session,
            key=key,
            text=data.get("message"),
            nonce=None if nonce is None else rules.check_nonce(nonce),
            reply_to=None,
            respond=partial(self._on_stored, session, ack),
        )

    def _on_stored(self, session: SocketIOSession, ack: Ack | None, result: Stored | ReaktorError) -> None:
        if isinstance(result, ReaktorError):
            self._refuse(session, ack, result)
        elif ack is not None:
            session.say(ack.ready({"id": result.message["id"], "seq": result.message["seq"]}), moves_offset=True)
        elif session.recoverable:
            session.say(None, moves_offset=True)

    def _refuse(self, session: SocketIOSession, ack: Ack | None, error: ReaktorError) -> None:
        payload = events.error_payload(error)
        session.say(ready_event(events.ERROR, payload) if ack is None else ack.ready({"error": payload}))
        runtime = current()
        if runtime is not None and (bye := too_many_refusals(runtime, session, error)) is not None:
            session.close(bye)
