"""Shadow: what the authority knows, as a server that stands by keeps it, so that it can go on from there.

Fed by membership.standby with a Whole and the journal after it. The state is the authority's own, made by the same
entries; a digest beside each part tells whether it is. Pure; `now` is seconds of one clock that never goes back.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from chat.membership.journal import Part, carry_out
from chat.membership.protocol import Mandate
from chat.membership.state import MembershipState
from chat.membership.whole import Whole

HOLD_LIMIT = 1_000
"""Parts held while a Whole is on its way. Beyond, all are let go, and another Whole is asked for."""
NOBODY = Mandate(0, "")
DEAF_S = 1.5
"""Own words come at least each half second. After a longer gap more may be missing than can be seen."""


class Inherited(NamedTuple):
    """Where a new authority begins. `is_in_step`: it is where the one before it ended.

    `is_handed_over`: that one gave its duty back by itself, so its workers may all be there.
    """

    state: MembershipState
    is_in_step: bool
    is_handed_over: bool = False


def state_of(whole: Whole) -> MembershipState:
    """The state that the authority has. What it has accepted is accepted here, whatever our own limits are."""
    state = MembershipState(0, max_sessions_per_user=sys.maxsize, max_channels_per_session=sys.maxsize)
    state.become(whole)
    return state


class Shadow:
    """One server's; it has nothing until the first Whole."""

    def __init__(self, *, silence_s: float) -> None:
        """`silence_s`: an authority that is not heard for so long may be followed by one of a lower epoch."""
        self._silence_s = silence_s
        self._followed = self._shown = NOBODY
        self._state: MembershipState | None = None
        self._next = 1
        self._held: list[Part] = []
        self._heard_at = self._own_at = self._hearing_since = float("-inf")
        self.needs_whole = True

    @property
    def sessions(self) -> int:
        return 0 if self._state is None else len(self._state.roster.sessions)

    def offer(self, part: Part, now: float) -> None:
        """Take a part of a journal. Where one is missing, needs_whole says so, and later ones are held."""
        if part.mandate != self._followed and not self._follows(part.mandate, now):
            return
        self._heard_at = now
        if not self.needs_whole and part.first > self._next:
            self.needs_whole = True
        if not self.needs_whole:
            self._carry_out(part)
            return
        if len(self._held) >= HOLD_LIMIT:
            self._held.clear()
        self._held.append(part)

    def install(self, next_entry: int, state: MembershipState, now: float) -> None:
        """Begin with what an authority says that it knows (state_of()), then what was held and is newer."""
        mandate = Mandate(state.epoch, state.term)
        if mandate != self._followed and not self._follows(mandate, now):
            return
        self._heard_at = now
        self._state = state
        self._shown, self._next = mandate, next_entry
        self.needs_whole = False
        held, self._held = self._held, []
        for part in held:
            self.offer(part, now)

    def note_own_word(self, now: float) -> None:
        """What we said to ourselves came back over the bus."""
        if now - self._own_at > DEAF_S:
            self._hearing_since = now
        self._own_at = now

    def is_in_step(self, before: Mandate) -> bool:
        """Whether nothing is missing, as far as it can be known, of what that authority has decided."""
        has_all = self._shown == before and before != NOBODY and not self.needs_whole
        return has_all and self._heard_at >= self._hearing_since

    @property
    def follows(self) -> Mandate:
        return self._followed

    def hand_out(self, before: Mandate) -> Inherited | None:
        """What an authority that comes after `before` begins with; None: nothing is known. Then it has nothing more."""
        state, is_in_step = self._state, self.is_in_step(before)
        self.forget()
        return None if state is None else Inherited(state, is_in_step)

    def forget(self) -> None:
        """Begin anew."""
        self._followed = self._shown = NOBODY
        self._state = None
        self._held.clear()
        self.needs_whole = True

    def _follows(self, mandate: Mandate, now: float) -> bool:
        """Whether that one is followed from now on: the latest, as far as we have heard. The lease is asked later."""
        if mandate.epoch < self._followed.epoch and now - self._heard_at <= self._silence_s:
            return False
        self._followed = mandate
        self._held.clear()
        self.needs_whole = True
        return True

    def _carry_out(self, part: Part) -> None:
        state = self._state
        if state is None or part.first + len(part.entries) <= self._next:
            return
        for entry in part.entries[self._next - part.first :]:
            carry_out(state, entry)
        self._next = part.first + len(part.entries)
        if (state.revision, state.digest()) != (part.revision, part.digest):
            self.needs_whole = True
