"""When everybody is gone, and the time to come back is over, the authority holds nothing of them."""

from __future__ import annotations

import random

from chat.domain.ids import ChannelKey, CommandId, SessionId, WorkerId
from chat.domain.sessions import Ending
from chat.membership.answers import WINDOW_S
from chat.membership.decisions import Decisions
from chat.membership.keep import ENDED_MEMORY_S
from chat.membership.protocol import Command, Connect, Disconnect, DropWorker, Hello, Join, Leave
from chat.membership.state import MembershipState
from chat.membership.wire import Beat, Envelope
from tests.support.held import held
from tests.support.membership import LINGERS, NO_GRACE, session_info


class Life:
    """An authority's decisions, with two workers, a clock, and sessions that come and go in every way."""

    def __init__(self) -> None:
        self.decisions = Decisions(MembershipState(7))
        self.now = 1_000.0
        self._count = 0
        self._chance = random.Random(1)
        self._heads = 0

    def say(self, command: Command, worker: WorkerId) -> None:
        self._count += 1
        self.decisions.take(worker, Envelope(CommandId(str(self._count)), command), self.now)

    def hello(self, worker: WorkerId) -> None:
        self.say(Hello(worker, ()), worker)

    def wait(self, seconds: float) -> None:
        for _ in range(int(seconds / 0.25)):
            self.now += 0.25
            self.decisions.tick(self.now)
            self.decisions.collect()

    def session(self, worker: WorkerId) -> None:
        """One session: joins, is beaten for, leaves a channel, and ends in one of four ways or is left to the crash."""
        self._count += 1
        chance = self._chance
        grace = chance.choice((LINGERS, NO_GRACE))
        user = f"user{chance.randrange(50)}"
        info = session_info(f"s{self._count}", user, worker, grace=grace, since=self.now)
        resume = SessionId(f"s{self._count - 3}") if chance.random() < 0.2 else None
        self.say(Connect(info, resume), worker)
        for _ in range(3):
            self._heads += 1
            self.say(Join(info.session_id, ChannelKey(f"c{chance.randrange(9)}"), self._heads), worker)
        position = self.decisions.state.position
        self.decisions.beat(Beat(worker, position, "", {ChannelKey(f"c{chance.randrange(9)}"): self._heads}, False))
        self.say(Leave(info.session_id, ChannelKey(f"c{chance.randrange(9)}")), worker)
        ending = chance.choice((*Ending, None))
        if ending is not None:
            self.say(Disconnect(info.session_id, ending), worker)
        if chance.random() < 0.1:
            self.say(Disconnect(info.session_id), worker)
        self.wait(chance.choice((0, 0.5)))


def test_when_all_sessions_and_their_worker_are_gone_nothing_of_them_is_left() -> None:
    """A server that is never restarted must not hold more the more people have passed through it."""
    life = Life()
    here, there = WorkerId(1, 1, 0, 1), WorkerId(1, 1, 1, 1)
    life.hello(here)
    life.hello(there)
    quiet = held(life.decisions)
    for number in range(600):
        life.session(there if number % 2 else here)
    assert held(life.decisions) != quiet
    for worker in (here, there):
        life.decisions.order(DropWorker(worker), life.now)
    life.wait(max(LINGERS.keep_s, LINGERS.quit_s + ENDED_MEMORY_S, WINDOW_S) + 1)
    here, there = WorkerId(1, 1, 0, 2), WorkerId(1, 1, 1, 2)
    life.hello(here)
    life.hello(there)
    life.decisions.collect()
    left = held(life.decisions)
    # Of each slot, the incarnations that are over: at most 32.
    assert left.pop(".state._dead._dead") == 2
    assert left == {path: count for path, count in quiet.items() if "_outcomes" not in path}
