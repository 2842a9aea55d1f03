"""Client: one Engine.IO session with its Connection, its sockets, and its inbox for the application.

The inbox is worked off by a task that lives only while there is something in it, one item after another: that keeps a
client's order and makes a client that sends too fast wait for itself alone. An event that waits for nothing passes by
it while it is empty.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Iterable

from reaktor.engineio.engine_session import EngineSession
from reaktor.engineio.packets import V3, CloseReason
from reaktor.engineio.tasks import Tasks
from reaktor.observe.logcontext import SESSION
from reaktor.socketio.application import Accepted, Application, DisconnectReason, NotNow, Refused
from reaktor.socketio.connection import AckReceived, Connection, ConnectRequested, EventReceived, Left, Message, Reply
from reaktor.socketio.handshake import handshake_of
from reaktor.socketio.packet import ROOT, PacketError
from reaktor.socketio.socket import Ack, Socket

logger = logging.getLogger(__name__)

# Reading from the client stops at the first figure and goes on at the second.
INBOX_HIGH = 64
INBOX_LOW = 16
# Beyond this a client's own transport did not make it wait: one payload may bring a thousand.
INBOX_MAX = 2_000
# How long a refused client may take to close by itself.
REFUSED_CLOSE_S = 1.0

REASONS = {
    CloseReason.CLIENT: DisconnectReason.CLIENT_CLOSED,
    CloseReason.LOST: DisconnectReason.LOST,
    CloseReason.PING_TIMEOUT: DisconnectReason.PING_TIMEOUT,
    CloseReason.MALFORMED: DisconnectReason.MALFORMED,
    CloseReason.TOO_LARGE: DisconnectReason.TOO_LARGE,
    CloseReason.OVERLAP: DisconnectReason.OVERLAP,
    CloseReason.FLOOD: DisconnectReason.FLOOD,
    CloseReason.TOO_SLOW: DisconnectReason.TOO_SLOW,
    CloseReason.SERVER: DisconnectReason.SERVER_CLOSED,
}

_Ended = tuple[Socket, DisconnectReason]
_Item = ConnectRequested | EventReceived | AckReceived | Left | CloseReason | _Ended


class Client:
    """Made by the server for each session."""

    __slots__ = ("_application", "_inbox", "_is_working", "_sockets", "_tasks", "_timer", "connection", "session")

    def __init__(self, session: EngineSession, offered: frozenset[str], application: Application, tasks: Tasks) -> None:
        self.session = session
        self.connection = Connection(session.revision, offered)
        self._application = application
        self._tasks = tasks
        self._sockets: dict[str, Socket] = {}
        self._inbox: deque[_Item] = deque()
        self._is_working = False
        self._timer: asyncio.TimerHandle | None = None

    # From Engine.IO, synchronous

    def on_opened(self, connect_timeout_s: float) -> None:
        """The session exists; who joins nothing in time is closed."""
        self._timer = asyncio.get_running_loop().call_later(connect_timeout_s, self._on_connect_timeout)
        for heard in self.connection.opened():
            if not isinstance(heard, Reply):
                self._put(heard)

    def on_message(self, message: Message) -> None:
        """One message; a malformed one ends the session."""
        try:
            heard = self.connection.receive(message)
        except PacketError:
            self.session.fail(CloseReason.MALFORMED)
            return
        for item in heard:
            if isinstance(item, EventReceived):
                if not self._take_at_once(item):
                    self._put(item)
            elif isinstance(item, Reply):
                self.say(item.messages)
            else:
                if isinstance(item, Left) and (socket := self._sockets.get(item.namespace)) is not None:
                    socket.left()
                self._put(item)

    def on_closed(self, reason: CloseReason) -> None:
        """The session has ended. What was put before is still handled; nothing of it reaches the client."""
        self._stop_timer()
        for socket in self._sockets.values():
            self._application.ended(socket)
        self._put(reason)

    # For sockets

    def say(self, messages: Iterable[Message]) -> None:
        """Send Engine.IO messages in order."""
        for message in messages:
            self.session.send(message)

    def disconnect(self, socket: Socket, *, close: bool) -> None:
        """See Socket.disconnect()."""
        if self.connection.is_joined(socket.namespace) and self._sockets.get(socket.namespace) is socket:
            self.say(self.connection.leave(socket.namespace))
            socket.left()
            del self._sockets[socket.namespace]
            self._put((socket, DisconnectReason.SERVER_LEFT))
        if close:
            self.session.close()

    # The inbox

    def _put(self, item: _Item) -> None:
        self._inbox.append(item)
        if len(self._inbox) >= INBOX_MAX:
            self.session.fail(CloseReason.FLOOD)
        elif len(self._inbox) >= INBOX_HIGH and not self.session.is_closed:
            self.session.pause_reading()
        if not self._is_working:
            self._is_working = True
            self._tasks.spawn(self._work())

    async def _work(self) -> None:
        SESSION.set(self.session.label)
        try:
            while self._inbox:
                item = self._inbox.popleft()
                if len(self._inbox) <= INBOX_LOW:
                    self.session.resume_reading()
                try:
                    await self._handle(item)
                except Exception:
                    logger.exception("the application failed for %s", self.session.label)
        finally:
            self._is_working = False

    def _take_at_once(self, event: EventReceived) -> bool:
        socket = self._sockets.get(event.namespace)
        if self._is_working or socket is None:
            return False
        name = SESSION.set(self.session.label)
        try:
            return self._application.event_at_once(socket, event.name, event.args, self._ack(event))
        except Exception:
            logger.exception("the application failed for %s", self.session.label)
            return True
        finally:
            SESSION.reset(name)

    def _ack(self, event: EventReceived) -> Ack | None:
        return Ack(self, event.namespace, event.id) if event.id is not None else None

    async def _handle(self, item: _Item) -> None:
        match item:
            case EventReceived():
                socket = self._sockets.get(item.namespace)
                if socket is not None:
                    await self._application.event(socket, item.name, item.args, self._ack(item))
            case AckReceived():
                item.callback(item.args)
            case ConnectRequested():
                await self._connect(item)
            case Left():
                socket = self._sockets.pop(item.namespace, None)
                if socket is not None:
                    await self._application.disconnected(socket, DisconnectReason.CLIENT_LEFT)
            case CloseReason():
                await self._end_all(REASONS[item])
            case (socket, reason):
                await self._application.disconnected(socket, reason)

    async def _connect(self, request: ConnectRequested) -> None:
        namespace = request.namespace
        if self.session.is_closed or not self.connection.is_wanted(namespace):
            return
        socket = Socket(self, namespace, self._socket_id(namespace), handshake_of(self.session, request.query))
        try:
            answer = await self._application.connect(socket, request)
        except Exception:
            logger.exception("connect failed for %s", socket.label)
            answer = Refused("Internal error", close=True)
        if isinstance(answer, NotNow):
            self.session.close()
            return
        if isinstance(answer, Refused):
            self.say(self.connection.refuse(namespace, answer.message, answer.data))
            if answer.close:
                self._close_soon()
            return
        self._join(socket, answer)
        if self.session.is_closed:
            return
        await self._application.connected(socket)

    def _join(self, socket: Socket, answer: Accepted) -> None:
        self._stop_timer()
        if self.session.revision != V3:
            socket.id = answer.sid or socket.id
            socket.pid = answer.pid
            for packet in answer.missed:
                self.session.send_ready(packet)
        self._sockets[socket.namespace] = socket
        self.say(self.connection.accept(socket.namespace, socket.id, socket.pid))
        socket.release()

    async def _end_all(self, reason: DisconnectReason) -> None:
        while self._sockets:
            _, socket = self._sockets.popitem()
            await self._application.disconnected(socket, reason)

    def _socket_id(self, namespace: str) -> str:
        """Clients of Engine.IO 3 compute their ids themselves, from the sid; later ones are told one that is no key."""
        if self.session.revision == V3:
            return self.session.sid if namespace == ROOT else f"{namespace}#{self.session.sid}"
        return secrets.token_urlsafe(15)

    def _on_connect_timeout(self) -> None:
        self._timer = None
        if not self._sockets:
            self.session.close()

    def _close_soon(self) -> None:
        """Close after the refusal was read: today's clients report a close that comes with it, and not the refusal."""
        self._stop_timer()
        self._timer = asyncio.get_running_loop().call_later(REFUSED_CLOSE_S, self.session.close)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
