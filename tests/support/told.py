"""Told: a MembershipState and its clock, for short tests of single rules."""

from __future__ import annotations

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Grace
from chat.membership.protocol import Change, Command, Connect, Tick
from chat.membership.state import MembershipState
from tests.support.membership import FIRST, NO_GRACE, session_info

ANN, LOBBY, NEWS = UserId("ann"), ChannelKey("lobby"), ChannelKey("news")
S1, S2 = SessionId("s1"), SessionId("s2")


class Told:
    """A state and its clock, for short tests."""

    def __init__(self, **limits: int) -> None:
        self.state = MembershipState(7, **limits)
        self.now = 1_000.0

    def accept(self, command: Command) -> tuple[Change, ...]:
        result = self.state.apply(command, self.now)
        self.state.invariants()
        assert result.refusal is None, result.refusal
        return result.changes

    def refuse(self, command: Command, sender: WorkerId | None = None) -> str | None:
        result = self.state.apply(command, self.now, sender)
        self.state.invariants()
        assert not result.changes
        return result.refusal

    def connect(
        self,
        session: str,
        user: str = "ann",
        worker: WorkerId = FIRST,
        grace: Grace = NO_GRACE,
        resume: str | None = None,
    ) -> tuple[Change, ...]:
        info = session_info(session, user, worker, grace=grace, since=self.now)
        return self.accept(Connect(info, None if resume is None else SessionId(resume)))

    def wait(self, seconds: float) -> tuple[Change, ...]:
        self.now += seconds
        return self.accept(Tick())
