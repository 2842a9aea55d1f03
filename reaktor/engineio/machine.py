"""SessionMachine: one Engine.IO client, across its transports, as a state machine without I/O.

    POLLING ──open_probe──► PROBING ──"5"──► WEBSOCKET
       ▲                      │ probe lost, timeout
       └──────────────────────┘                  any ──end──► CLOSED (final)

Inputs carry `now` (monotonic seconds) and return the actions that the shell (engine_session.py) carries out in order.
What is for the client waits in one outbox until take_poll() or take_frames(): so the order holds, and nothing is lost
or doubled across the upgrade. Pure. Source: Engine.IO protocol, "Transports", "Upgrade", "Heartbeat".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import NamedTuple

from reaktor.config.model import EngineIO
from reaktor.engineio.heartbeat import Beat, heartbeat_for
from reaktor.engineio.packets import CLOSE, NOOP, PING, PROBE, CloseReason, Outgoing, Packet, PacketType
from reaktor.limits.ratelimit import TokenBucket

# A poll that arrives during an upgrade is answered within this time, so that the client can finish it.
NOOP_AFTER_S = 0.1


class State(Enum):
    """Where a session is."""

    POLLING = "polling"
    PROBING = "probing"
    WEBSOCKET = "websocket"
    CLOSED = "closed"


class Poll(Enum):
    """What a GET is told."""

    READY = "ready"  # call take_poll() now
    WAIT = "wait"  # call take_poll() after the next Wake, or poll_lost()
    REFUSED = "refused"  # not this session's transport any more
    OVERLAP = "overlap"  # a second one: the session has just ended
    UNKNOWN = "unknown"  # closed, and nothing left to fetch


class Deliver(NamedTuple):
    """A message of the client, for the application."""

    data: str | bytes


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is CLOSED: tell the application, then let go of the transports."""

    reason: CloseReason


class Signal(Enum):
    """Actions without data."""

    WAKE = "wake"  # somebody waits for the outbox: a GET, or the WebSocket
    PROBE_PONG = "probe pong"  # say `3probe` on the probing socket
    DROP_PROBE = "drop probe"  # close the probing socket
    UPGRADED = "upgraded"  # the probing socket is the transport now


Action = Deliver | Ended | Signal


class SessionMachine:
    """See the module. `open_packet` is queued first, so whichever transport opened the session sends it first."""

    __slots__ = (
        "_heartbeat",
        "_linger_until",
        "_noop_at",
        "_options",
        "_outbox",
        "_packets",
        "_parting_noop",
        "_polling",
        "_posting",
        "_probed",
        "_probing_until",
        "_queued",
        "_received",
        "heard_at",
        "is_doubtful",
        "reason",
        "revision",
        "state",
    )

    def __init__(self, options: EngineIO, revision: int, open_packet: Packet, *, websocket: bool, now: float) -> None:
        self.revision = revision
        self.state = State.WEBSOCKET if websocket else State.POLLING
        self.reason: CloseReason | None = None
        self._options = options
        self._heartbeat = heartbeat_for(revision, options.ping_interval_s, options.ping_timeout_s, now)
        self._outbox: deque[Outgoing] = deque((open_packet,))
        self._queued = open_packet.size
        self._polling = self._posting = self._probed = self._parting_noop = False
        self._noop_at = self._probing_until = self._linger_until = inf
        self._packets = TokenBucket()
        # Frames, or GETs: what the client did after it was sent something.
        self._received = 0
        # When its client said last that it has what it was sent before: with a frame, or a GET.
        self.heard_at = now
        # Whether its end leaves something in doubt that was sent since: nobody can know whether it arrived.
        self.is_doubtful = False

    # Questions

    @property
    def is_finished(self) -> bool:
        """Closed, and nothing left that a GET could fetch: forget it."""
        return self.state is State.CLOSED and not self._polling and self._linger_until == inf

    @property
    def is_lingering(self) -> bool:
        """Closed by us, and its client has not heard of it yet."""
        return self.state is State.CLOSED and self._linger_until < inf

    @property
    def is_writable(self) -> bool:
        """Whether a packet sent now would leave at once, with nothing before it."""
        return not self._outbox and (
            self.state is State.WEBSOCKET or (self.state is not State.CLOSED and self._polling)
        )

    @property
    def received(self) -> int:
        """How much has come from the client that it sends when it has what it was sent before: see received_by."""
        return self._received

    @property
    def received_by(self) -> int:
        """What `received` is when its client has been heard of again after all that was sent until now.

        On a WebSocket any frame says so. By polling the GET does that comes after the one that took it.
        """
        return self._received + (1 if self.state is State.WEBSOCKET or self._polling else 2)

    @property
    def deadline(self) -> float:
        """When on_deadline() is to be called next; inf for never. Moves with every input."""
        if self.state is State.CLOSED:
            return self._linger_until
        due = self._heartbeat.deadline
        # Asked about each frame, where min() takes three times as long.
        if self._noop_at < due:
            due = self._noop_at
        return due if due < self._probing_until else self._probing_until

    # From the application

    def send(self, packet: Outgoing) -> list[Action]:
        """Queue one packet; dropped when closed. More than the bounds allow ends the session as TOO_SLOW."""
        if self.state is State.CLOSED:
            return []
        if len(self._outbox) >= self._options.max_queued_packets or self._queued > self._options.max_queued_bytes:
            return self.end(CloseReason.TOO_SLOW)
        self._outbox.append(packet)
        self._queued += packet.size
        return [Signal.WAKE] if self._polling or self.state is State.WEBSOCKET else []

    def close(self, now: float, *, discard: bool = False) -> list[Action]:
        """End it from our side. What is queued still goes out, unless discarded; a poll has `linger_s` to fetch it."""
        if self.state is State.CLOSED:
            return []
        if discard:
            self._clear()
        if self.state is not State.WEBSOCKET and (self._outbox or not self._polling):
            self._linger_until = now + self._options.linger_s
        return self._end(CloseReason.SERVER)

    def end(self, reason: CloseReason) -> list[Action]:
        """End it at once, whatever is queued; may be repeated."""
        if self.state is State.CLOSED:
            return []
        self._clear()
        return self._end(reason)

    # Polling

    def poll(self, now: float) -> tuple[Poll, list[Action]]:
        """A GET arrived."""
        if self.state is State.CLOSED:
            return (Poll.READY if self.is_lingering else Poll.UNKNOWN), []
        if self.state is State.WEBSOCKET:
            return Poll.REFUSED, []
        if self._polling:
            return Poll.OVERLAP, self.end(CloseReason.OVERLAP)
        self._polling = True
        self._received += 1
        self.heard_at = now
        if self._outbox:
            return Poll.READY, []
        if self._probed:
            self._noop_at = now + NOOP_AFTER_S
        return Poll.WAIT, []

    def take_poll(self) -> list[Outgoing]:
        """The answer of the GET, never empty; call it right before the answer is sent, and only once per GET."""
        self._polling = False
        self._noop_at = inf
        if self.state is State.WEBSOCKET or self._parting_noop:
            return [NOOP]
        packets = self._drain()
        if self.state is State.CLOSED and not packets:
            # Never behind something else: clients of 4.x act on a close packet before the messages it came with, so
            # a `41` in the same payload would be a lost connection to them, and they would come back.
            self._linger_until = inf
            return [CLOSE]
        return packets or [NOOP]

    def poll_lost(self) -> list[Action]:
        """The client dropped its waiting GET; what is queued is not taken. Ends the session unless it was upgraded."""
        self._polling = False
        self._noop_at = inf
        actions = self.end(CloseReason.LOST) if self.state is not State.WEBSOCKET else []
        # It waited with a GET: see _end().
        self.is_doubtful = False
        return actions

    def begin_post(self) -> tuple[bool, list[Action]]:
        """A POST arrived: whether it may go on. A second one beside it ends the session."""
        if self.state not in (State.POLLING, State.PROBING):
            return False, []
        if self._posting:
            return False, self.end(CloseReason.OVERLAP)
        self._posting = True
        return True, []

    def end_post(self, packets: Iterable[Packet], now: float) -> list[Action]:
        """Its packets, in order; none when it came to nothing."""
        self._posting = False
        actions: list[Action] = []
        for packet in packets:
            actions += self._receive(packet, now)
        return actions

    # WebSocket

    def open_probe(self, now: float) -> bool:
        """A WebSocket with this session's sid was opened: whether it may try to take over."""
        if self.state is not State.POLLING:
            return False
        self.state = State.PROBING
        self._probed = False
        self._probing_until = now + self._options.upgrade_timeout_s
        return True

    def on_probe(self, packet: Packet | None, now: float) -> list[Action]:
        """A packet on the probing socket, None for junk. All but `2probe`, then `5` ends that socket alone."""
        if self.state is not State.PROBING:
            return []
        if not self._probed and packet == Packet(PacketType.PING, PROBE):
            self._probed = True
            # Frees the waiting GET: with what is queued, or with a noop.
            return [Signal.PROBE_PONG, *([Signal.WAKE] if self._polling else [])]
        if self._probed and packet is not None and packet.type is PacketType.UPGRADE:
            self._leave_probing(State.WEBSOCKET)
            self._heartbeat.on_packet(PacketType.UPGRADE, now)
            return [Signal.UPGRADED, Signal.WAKE]
        return self.probe_lost()

    def probe_lost(self) -> list[Action]:
        """The probing socket is gone or has to go; the session goes on by polling."""
        if self.state is not State.PROBING:
            return []
        self._leave_probing(State.POLLING)
        return [Signal.DROP_PROBE]

    def on_frame(self, packet: Packet, now: float) -> list[Action]:
        """A packet on the session's own WebSocket."""
        if self.state is not State.WEBSOCKET:
            return []
        self._received += 1
        self.heard_at = now
        return self._receive(packet, now)

    def take_frames(self) -> list[Outgoing]:
        """What is queued for the WebSocket, also after close(): send it, then close the socket if the session is."""
        return self._drain()

    # Clock

    def on_deadline(self, now: float) -> list[Action]:
        """What is due at `now`; harmless when nothing is."""
        if self.state is State.CLOSED:
            if now >= self._linger_until:
                self._linger_until = inf
                self._clear()
            return []
        actions: list[Action] = []
        if now >= self._noop_at:
            self._noop_at = inf
            actions.append(Signal.WAKE)
        if now >= self._probing_until:
            actions += self.probe_lost()
        beat = self._heartbeat.on_deadline(now)
        if beat is Beat.SEND_PING:
            actions += self.send(PING)
        elif beat is Beat.DEAD:
            actions += self.end(CloseReason.PING_TIMEOUT)
        return actions

    # Inside

    def _receive(self, packet: Packet, now: float) -> list[Action]:
        if self.state is State.CLOSED:
            return []
        if self._packets.take(self._options.packet_rate, now) is not None:
            return self.end(CloseReason.FLOOD)
        beat = self._heartbeat.on_packet(packet.type, now)
        if beat is Beat.WRONG_WAY:
            return self.end(CloseReason.MALFORMED)
        if beat is Beat.ANSWER_PING:
            return self.send(Packet(PacketType.PONG, packet.data))
        if packet.type is PacketType.MESSAGE:
            return [Deliver(packet.data)]
        if packet.type is PacketType.CLOSE:
            # A waiting GET is told nothing but that it may go.
            self._parting_noop = True
            # Whoever polls says it on a network error of its own as well.
            return self.end(CloseReason.CLIENT if self.state is State.WEBSOCKET else CloseReason.LOST)
        return []

    def _leave_probing(self, state: State) -> None:
        self.state = state
        self._probed = False
        self._probing_until = self._noop_at = inf

    def _end(self, reason: CloseReason) -> list[Action]:
        actions: list[Action] = [Signal.DROP_PROBE] if self.state is State.PROBING else []
        if self._polling or self.state is State.WEBSOCKET:
            actions.append(Signal.WAKE)
        # Who waits with a GET has had the answers before it, and nothing is queued.
        is_unheard = self.state is not State.WEBSOCKET and not self._polling
        self.is_doubtful = reason is CloseReason.PING_TIMEOUT or is_unheard
        self._leave_probing(State.CLOSED)
        self.reason = reason
        return [*actions, Ended(reason)]

    def _drain(self) -> list[Outgoing]:
        packets = list(self._outbox)
        self._clear()
        return packets

    def _clear(self) -> None:
        self._outbox.clear()
        self._queued = 0
