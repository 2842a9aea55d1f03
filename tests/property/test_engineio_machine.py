"""The session machine under any order of inputs: order kept, nothing lost or doubled, closed is final.

The machine of Hypothesis plays all the outside world, well-behaved or not, and keeps what the client got.
"""

from __future__ import annotations

from collections.abc import Iterable

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reaktor.config.model import EngineIO, Rate
from reaktor.engineio.machine import NOOP_AFTER_S, Action, Deliver, Ended, Poll, SessionMachine, Signal, State
from reaktor.engineio.packets import CLOSE, NOOP, PING, V3, V4, CloseReason, Outgoing, Packet, PacketType

OPTIONS = EngineIO(
    ping_interval_s=10,
    ping_timeout_s=5,
    upgrade_timeout_s=4,
    linger_s=8,
    max_queued_packets=30,
    packet_rate=Rate(1_000, 1),
)
OPEN = Packet(PacketType.OPEN, "{}")
PROBE = Packet(PacketType.PING, "probe")
MESSAGES = [Packet(PacketType.MESSAGE, "from client"), Packet(PacketType.MESSAGE, b"\x00")]
ENDINGS = [PING, Packet(PacketType.PONG), PROBE, CLOSE]
IGNORED = [Packet(PacketType.UPGRADE), NOOP, OPEN]
# Most sessions shall live long enough for something to happen to them.
PACKETS = st.sampled_from([*MESSAGES * 8, *IGNORED, *ENDINGS])


class SessionStory(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.sent = 0
        self.received: list[int] = []
        self.is_waiting = False
        self.is_woken = False
        self.waits_since = 0.0
        self.was_websocket = self.owes_frames = False
        self.posting = 0
        self.endings: list[CloseReason] = []
        self.delivered_after_end = 0

    @initialize(revision=st.sampled_from([V3, V4]), websocket=st.booleans())
    def begin(self, revision: int, websocket: bool) -> None:
        self.session = SessionMachine(OPTIONS, revision, OPEN, websocket=websocket, now=0)
        self.was_websocket = websocket
        first = self.session.take_frames() if websocket else (self.session.poll(0), self.session.take_poll())[1]
        assert first == [OPEN]

    # The shell

    def run_actions(self, actions: Iterable[Action]) -> None:
        for action in actions:
            if isinstance(action, Ended):
                self.endings.append(action.reason)
            elif isinstance(action, Deliver):
                self.delivered_after_end += bool(self.endings)
            elif action is Signal.WAKE:
                self.is_woken = self.is_waiting
                self.owes_frames = self.session.state is State.WEBSOCKET or self.was_websocket
            elif action is Signal.UPGRADED:
                self.was_websocket = True

    def receive(self, packets: Iterable[Outgoing]) -> None:
        for packet in packets:
            assert isinstance(packet, Packet)
            if packet.type is PacketType.MESSAGE:
                self.received.append(int(packet.data))

    # The application

    @rule(count=st.integers(1, 4))
    def send(self, count: int) -> None:
        for _ in range(count):
            was_open = self.session.state is not State.CLOSED
            self.run_actions(self.session.send(Packet(PacketType.MESSAGE, str(self.sent))))
            self.sent += was_open

    @precondition(lambda self: self.sent > 10)
    @rule(discard=st.booleans())
    def close(self, discard: bool) -> None:
        self.run_actions(self.session.close(self.now, discard=discard))

    # The client, by polling

    @precondition(lambda self: not self.is_waiting or self.sent > 15)
    @rule()
    def get(self) -> None:
        verdict, actions = self.session.poll(self.now)
        self.run_actions(actions)
        if verdict is Poll.READY:
            packets = self.session.take_poll()
            assert packets
            self.receive(packets)
        elif verdict is Poll.WAIT:
            assert not self.is_waiting
            self.is_waiting, self.is_woken, self.waits_since = True, False, self.now
        elif verdict is Poll.OVERLAP:
            assert self.is_waiting
            assert self.session.state is State.CLOSED

    @precondition(lambda self: self.is_woken)
    @rule()
    def answer_get(self) -> None:
        self.is_waiting = self.is_woken = False
        state = self.session.state
        packets = self.session.take_poll()
        assert packets
        if state is State.WEBSOCKET:
            assert packets == [NOOP]
        self.receive(packets)

    @precondition(lambda self: self.is_waiting and self.sent > 10)
    @rule()
    def drop_get(self) -> None:
        self.is_waiting = self.is_woken = False
        self.run_actions(self.session.poll_lost())
        assert self.session.state in (State.CLOSED, State.WEBSOCKET)

    @precondition(lambda self: not self.posting or self.sent > 15)
    @rule()
    def begin_post(self) -> None:
        may_go_on, actions = self.session.begin_post()
        self.run_actions(actions)
        self.posting += may_go_on
        assert self.posting <= 1 or self.session.state is State.CLOSED

    @precondition(lambda self: self.posting)
    @rule(packets=st.lists(PACKETS, max_size=3))
    def end_post(self, packets: list[Packet]) -> None:
        self.posting -= 1
        self.run_actions(self.session.end_post(packets, self.now))

    # The client, by WebSocket

    @rule()
    def open_probe(self) -> None:
        before = self.session.state
        assert self.session.open_probe(self.now) == (before is State.POLLING)

    @rule(packet=st.one_of(st.just(PROBE), st.just(Packet(PacketType.UPGRADE)), PACKETS, st.none()))
    def probe(self, packet: Packet | None) -> None:
        self.run_actions(self.session.on_probe(packet, self.now))

    @rule()
    def lose_probe(self) -> None:
        self.run_actions(self.session.probe_lost())

    @rule()
    def upgrade(self) -> None:
        """A well-behaved upgrade, but for the GET that may be waiting."""
        self.session.open_probe(self.now)
        for packet in (PROBE, Packet(PacketType.UPGRADE)):
            self.run_actions(self.session.on_probe(packet, self.now))

    @precondition(lambda self: self.owes_frames)
    @rule()
    def take_frames(self) -> None:
        self.owes_frames = False
        self.receive(self.session.take_frames())

    @rule(packet=PACKETS)
    def frame(self, packet: Packet) -> None:
        self.run_actions(self.session.on_frame(packet, self.now))

    @precondition(lambda self: self.sent > 15)
    @rule()
    def lose(self) -> None:
        self.run_actions(self.session.end(CloseReason.LOST))

    # Time

    @rule(seconds=st.sampled_from([0.05, 0.1, 1.0, 4.0, 8.0]))
    def wait(self, seconds: float) -> None:
        until = self.now + seconds
        while self.session.deadline <= until:
            self.now = max(self.now, self.session.deadline)
            self.run_actions(self.session.on_deadline(self.now))
            assert self.session.deadline > self.now
        self.now = until

    # Laws

    @invariant()
    def what_came_is_the_beginning_of_what_was_sent_in_order(self) -> None:
        assert self.received == list(range(len(self.received)))
        assert len(self.received) <= self.sent

    @invariant()
    def a_waiting_get_is_woken_when_there_is_something(self) -> None:
        if self.is_waiting and not self.is_woken:
            assert self.session.state in (State.POLLING, State.PROBING)
            assert not self.session._outbox

    @invariant()
    def a_waiting_get_does_not_hold_up_an_upgrade(self) -> None:
        if self.is_waiting and not self.is_woken and self.session._probed:
            assert self.session.deadline <= max(self.waits_since + NOOP_AFTER_S, self.now)

    @invariant()
    def what_is_queued_for_a_websocket_was_announced(self) -> None:
        if self.session.state is State.WEBSOCKET and not self.owes_frames:
            assert len(self.received) == self.sent

    @invariant()
    def the_end_is_told_once_and_nothing_is_delivered_after_it(self) -> None:
        assert len(self.endings) == (self.session.state is State.CLOSED)
        assert not self.delivered_after_end

    @invariant()
    def a_live_session_always_has_a_deadline(self) -> None:
        if self.session.state is not State.CLOSED:
            assert self.now < self.session.deadline <= self.now + 15
        elif self.session.is_finished:
            assert self.session.deadline == float("inf")


SessionStory.TestCase.settings = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSession = SessionStory.TestCase
