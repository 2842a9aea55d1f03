"""Answers: which commands were answered already, and how, so that one that is sent twice takes effect once.

Held by the authority. A feeder sends a command again, under the same id, until it has its outcome; the window is
bounded in time and number, and far longer than any feeder's patience. Pure; `now` is an argument.
"""

from __future__ import annotations

from collections import OrderedDict

from chat.domain.ids import CommandId
from chat.membership.protocol import Outcome

WINDOW_S = 30.0
# At 100 bytes each some 20 MB. Beyond, a command sent again is decided again, which the state takes without harm.
WINDOW_SIZE = 200_000


class Answers:
    """Outcomes by command id."""

    def __init__(self) -> None:
        self._given: OrderedDict[CommandId, tuple[float, Outcome]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._given)

    def get(self, command_id: CommandId, now: float) -> Outcome | None:
        """The outcome of a command that was decided, or asked about, within the window."""
        given = self._given.get(command_id)
        if given is None:
            return None
        self._given[command_id] = (now, given[1])
        self._given.move_to_end(command_id)
        return given[1]

    def put(self, outcome: Outcome, now: float) -> None:
        """Remember an outcome, and forget the oldest ones."""
        self._given[outcome.command_id] = (now, outcome)
        while self._given:
            _, (then, _outcome) = next(iter(self._given.items()))
            if then + WINDOW_S > now and len(self._given) <= WINDOW_SIZE:
                break
            self._given.popitem(last=False)
