"""EngineSession: a SessionMachine with its transports attached; what an application holds and sends to.

Turns inputs of the HTTP and WebSocket shells into the machine's, and carries out its actions. Everything here is
synchronous but room(): sending never waits for a client. It tells a SessionListener what the client said, and a
SessionKeeper when it wants to be woken.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from reaktor.engineio.heartbeat import MAX_LATENESS_S
from reaktor.engineio.machine import Action, Deliver, Ended, Poll, SessionMachine, Signal, State
from reaktor.engineio.packets import CloseReason, Codec, Outgoing, Packet, PacketType, ReadyBatch, ReadyPacket
from reaktor.engineio.pipe import Pipe
from reaktor.engineio.request import Request
from reaktor.web.close_codes import NORMAL

_LABELS = itertools.count(1)
ON_ITS_WAY_S = 2.0
"""So long may take what a client is sent, and what it says."""
SLOW_S = 60.0
"""As far back goes what a client is sent again that did not read fast enough."""


class SessionListener(Protocol):
    """Takes what one client says. Called in the loop; must not block and must not raise."""

    def message(self, session: EngineSession, data: str | bytes) -> None:
        """One message, in the client's order. Too busy: session.pause_reading()."""

    def closed(self, session: EngineSession, reason: CloseReason) -> None:
        """The end of a session that was `opened`, told exactly once; what is sent from now on is dropped."""


class SessionKeeper(Protocol):
    """Holds live sessions, and calls on_deadline() when a session's machine is due."""

    def schedule(self, session: EngineSession) -> None:
        """The session's deadline may have moved."""

    def remove(self, session: EngineSession) -> None:
        """The session is finished; may be repeated."""


class EngineSession:
    """One client. `attachment` is the application's own; `label` names the session in logs, which the sid must not.

    `revision` is the protocol's, 3 or 4.
    """

    __slots__ = (
        "_clock",
        "_close_code",
        "_is_relayed",
        "_is_told",
        "_keeper",
        "_listener",
        "_max_unsent_bytes",
        "_pipe",
        "_probe",
        "_room",
        "_sink",
        "attachment",
        "codec",
        "doubtful_since",
        "is_postponed",
        "label",
        "machine",
        "request",
        "revision",
        "scheduled_at",
        "sid",
        "waiter",
    )

    def __init__(
        self,
        sid: str,
        request: Request,
        codec: Codec,
        machine: SessionMachine,
        listener: SessionListener,
        keeper: SessionKeeper,
        clock: Callable[[], float],
        max_unsent_bytes: int,
    ) -> None:
        self.sid = sid
        self.label = f"e{next(_LABELS)}"
        self.request = request
        self.codec = codec
        self.revision = codec.revision
        self.machine = machine
        self.attachment: Any = None
        # For the keeper: when it will call on_deadline(), and whether that was put off.
        self.scheduled_at = float("inf")
        self.is_postponed = False
        self.waiter: asyncio.Future[None] | None = None
        self._listener = listener
        self._keeper = keeper
        self._clock = clock
        self._max_unsent_bytes = max_unsent_bytes
        self._pipe: Pipe | None = None
        self._probe: Pipe | None = None
        # The pipe's sink, while frames may go straight to it.
        self._sink: Any = None
        self._room: asyncio.Event | None = None
        self._is_told = self._is_relayed = False
        self._close_code = NORMAL
        # Once it has ended: what it was sent since then (seconds of its clock) may not have arrived. None: all has.
        self.doubtful_since: float | None = None

    def __repr__(self) -> str:
        return f"<EngineSession {self.label} v{self.revision} {self.machine.state.value}>"

    # For the application

    @property
    def is_closed(self) -> bool:
        return self.machine.state is State.CLOSED

    @property
    def transport(self) -> str:
        """`polling` or `websocket`, as of now."""
        return "websocket" if self.machine.state is State.WEBSOCKET else "polling"

    @property
    def is_writable(self) -> bool:
        """Whether something sent now would leave at once: what volatile packets ask."""
        return self.machine.is_writable and (self._sink is None or not self._sink.unsent_bytes)

    def send(self, data: str | bytes) -> None:
        """Send one message. Never blocks, never raises; dropped when closed; over the bounds the session ends."""
        self.send_packet(Packet(PacketType.MESSAGE, data))

    def send_packet(self, packet: Outgoing) -> None:
        """As send(), with a packet."""
        self._run(self.machine.send(packet))
        self._check_unsent()

    def write(self, batch: ReadyBatch) -> None:
        """Send a batch: the way of a fan-out, where a live socket gets ready bytes in one write."""
        sink = self._sink
        if sink is None:
            for packet in batch.packets:
                self._run(self.machine.send(packet))
        elif sink.write(batch.frames(self.revision)) > self._max_unsent_bytes:
            self._run(self.machine.end(CloseReason.TOO_SLOW))
        elif self._is_relayed:
            self._sound()

    def send_ready(self, packet: ReadyPacket) -> None:
        """Send one ready packet."""
        self.write(ReadyBatch((packet,)))

    def close(self, *, code: int = NORMAL, discard: bool = False) -> None:
        """End the session after what is queued, or without it. `code` is for a WebSocket: 1000 or 3000 to 4999."""
        self._close_code = code
        self._run(self.machine.close(self._clock(), discard=discard))

    def fail(self, reason: CloseReason) -> None:
        """End the session at once for what its client did."""
        self._run(self.machine.end(reason))

    def pause_reading(self) -> None:
        """Take no more from this client until resume_reading(); may be repeated."""
        if self._room is None:
            self._room = asyncio.Event()

    def resume_reading(self) -> None:
        """Undo pause_reading(); may be repeated."""
        if self._room is not None:
            self._room.set()
            self._room = None

    # For the shells

    @property
    def has_room(self) -> bool:
        """Whether the application takes messages now."""
        return self._room is None

    async def room(self) -> None:
        """Returns when the application takes messages again, or the session has ended."""
        while self._room is not None:
            await self._room.wait()

    def begin_poll(self) -> Poll:
        """A GET arrived. WAIT: await `waiter`, then call take_poll() or poll_lost()."""
        verdict, actions = self.machine.poll(self._now())
        if verdict is Poll.WAIT:
            self.waiter = asyncio.get_running_loop().create_future()
        self._run(actions)
        return verdict

    def take_poll(self) -> list[Outgoing]:
        """As SessionMachine.take_poll()."""
        self.waiter = None
        packets = self.machine.take_poll()
        self._settle()
        return packets

    def poll_lost(self) -> None:
        """As SessionMachine.poll_lost()."""
        self.waiter = None
        self._run(self.machine.poll_lost())

    def begin_post(self) -> bool:
        """As SessionMachine.begin_post()."""
        self._now()
        may_go_on, actions = self.machine.begin_post()
        self._run(actions)
        return may_go_on

    def end_post(self, packets: Iterable[Packet] = ()) -> None:
        """As SessionMachine.end_post()."""
        self._run(self.machine.end_post(packets, self._clock()))

    def attach(self, pipe: Pipe) -> None:
        """The WebSocket that opened this session is accepted: send what is queued, and go on with it."""
        self._pipe = pipe
        pipe.source = self.machine.take_frames
        if self.is_closed:
            # It ended while its socket was being accepted.
            pipe.close(self._close_code)
            return
        pipe.wake()
        self._sink = pipe.sink
        self._is_relayed = pipe.sounding is not None

    def open_probe(self, pipe: Pipe) -> bool:
        """As SessionMachine.open_probe(), with the socket that probes."""
        if not self.machine.open_probe(self._clock()):
            return False
        self._probe = pipe
        self._settle()
        return True

    def on_socket_packet(self, packet: Packet, pipe: Pipe) -> None:
        """A packet on one of the session's sockets."""
        if pipe is self._probe:
            self._run(self.machine.on_probe(packet, self._now()))
        elif pipe is self._pipe:
            self._carry_out(self.machine.on_frame(packet, self._now()))
            # A message puts no deadline forward, so the keeper need not hear of each.
            if packet.type is not PacketType.MESSAGE or self.is_closed:
                self._settle()

    def on_socket_junk(self, pipe: Pipe, reason: CloseReason) -> None:
        """Something that is no packet: the end of the session, but of the socket alone while that still probes."""
        if pipe is self._probe:
            self._run(self.machine.on_probe(None, self._clock()))
        elif pipe is self._pipe:
            self.fail(reason)

    def on_socket_lost(self, pipe: Pipe, reason: CloseReason) -> None:
        """One of the session's sockets is gone."""
        pipe.lost()
        if pipe is self._probe:
            self._run(self.machine.probe_lost())
        elif pipe is self._pipe:
            self._run(self.machine.end(reason))

    def on_deadline(self) -> None:
        """As SessionMachine.on_deadline()."""
        self._run(self.machine.on_deadline(self._clock()))
        self._check_unsent()

    # Inside

    def _now(self) -> float:
        """The time, after what was due just before it: a busy loop may serve a request before a timer."""
        now, due = self._clock(), self.machine.deadline
        if due <= now < due + MAX_LATENESS_S:
            self._run(self.machine.on_deadline(now))
        return now

    def _run(self, actions: Iterable[Action]) -> None:
        self._carry_out(actions)
        self._settle()

    def _carry_out(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Deliver):
                # The application may have ended the session over an earlier message of the same payload.
                if not self._is_told:
                    self._listener.message(self, action.data)
            elif isinstance(action, Ended):
                self._on_ended(action.reason)
            else:
                self._on_signal(action)

    def _on_signal(self, signal: Signal) -> None:
        if signal is Signal.WAKE:
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_result(None)
            if self._pipe is not None:
                self._pipe.wake()
                self._sound()
        elif signal is Signal.UPGRADED and self._probe is not None:
            pipe, self._probe = self._probe, None
            self.attach(pipe)
        elif signal is Signal.PROBE_PONG and self._probe is not None:
            self._probe.say(Packet(PacketType.PONG, "probe"))
        elif signal is Signal.DROP_PROBE and self._probe is not None:
            pipe, self._probe = self._probe, None
            pipe.close()

    def _on_ended(self, reason: CloseReason) -> None:
        self.doubtful_since = self._find_doubtful(reason)
        self._sink = None
        if self._pipe is not None:
            if reason is CloseReason.TOO_SLOW:
                self._pipe.abort()
            else:
                self._pipe.close(self._close_code)
        self.resume_reading()
        if not self._is_told:
            self._is_told = True
            self._listener.closed(self, reason)

    def _find_doubtful(self, reason: CloseReason) -> float | None:
        if reason is CloseReason.CLIENT:
            # It would hear no more.
            return None
        now, sounding = self._clock(), None if self._pipe is None else self._pipe.sounding
        if reason is CloseReason.SERVER and (sounding is None or not sounding.is_late(now, ON_ITS_WAY_S)):
            # What was sent before our own close goes out before it.
            return None
        if reason is CloseReason.TOO_SLOW:
            # What waits here and in the kernel is as old as nobody knows.
            return now - SLOW_S
        if sounding is not None:
            # Who stands between took along what it had in its hands; where it was cut off, that is more. What it said
            # last proves nothing: the two ways come to life again one after the other.
            return sounding.proven_at - ON_ITS_WAY_S
        if self.machine.is_doubtful or (self._sink is not None and self._sink.unsent_bytes):
            return self.machine.heard_at - ON_ITS_WAY_S
        return None

    def _sound(self) -> None:
        if self._pipe is not None:
            self._pipe.sound(self._clock())

    def _check_unsent(self) -> None:
        if self._sink is not None and self._sink.unsent_bytes > self._max_unsent_bytes:
            self._run(self.machine.end(CloseReason.TOO_SLOW))

    def _settle(self) -> None:
        if self.machine.is_finished:
            self._keeper.remove(self)
        else:
            self._keeper.schedule(self)
