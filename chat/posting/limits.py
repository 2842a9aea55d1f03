"""How often one user may send, join, create channels and change things, in all processes.

Source: the native protocol, "Limits".
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from chat.domain.ids import UserId
from reaktor.config.model import Limits
from reaktor.errors import RateLimitedError
from reaktor.limits.sharedlimits import SharedCounts, SharedRate


class ChatLimits:
    """Owned by the app's config; every refusal is a RateLimitedError. LIMITS=off lifts them all.

    `shared_sends` None: one process alone stores messages, and what it counts by itself is all there is.
    """

    def __init__(
        self,
        limits: Limits,
        shared: SharedCounts | None = None,
        shared_sends: SharedCounts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._is_enabled = limits.enabled
        self._asks_for_sends = shared_sends is not None
        # Who writes now and then costs no question; several processes may exceed the rate by a tenth each, but for one.
        self._send = SharedRate("send", limits.send, shared_sends, clock, unasked=limits.send.count // 10)
        self._join = SharedRate("join", limits.join, shared, clock)
        self._create_channel = SharedRate("create", limits.create_channel, shared, clock)
        self._change = SharedRate("change", limits.changes, shared, clock)

    def check_send(self, user_id: UserId) -> None:
        """One more message of this user in this process, whichever transport it comes by. Never waits.

        What it lets through is counted in all processes by sends_everywhere(), for a whole batch at once.
        """
        if self._is_enabled:
            self._send.here(user_id)

    def refused(self) -> dict[str, int]:
        """How often each limit said no in this process."""
        return {
            "send": self._send.refused_total,
            "join": self._join.refused_total,
            "create_channel": self._create_channel.refused_total,
            "changes": self._change.refused_total,
        }

    @property
    def asks_for_sends(self) -> bool:
        """Whether sends_everywhere() has anybody to ask."""
        return self._is_enabled and self._asks_for_sends

    def sends_everywhere(self, user_ids: Sequence[UserId]) -> list[RateLimitedError | None]:
        """Per message whether it is too much in all processes together. One round trip: called in a thread."""
        return self._send.everywhere(user_ids)

    def check_join(self, user_id: UserId) -> None:
        """One more channel that this user enters or looks at anew. Called in a thread."""
        if self._is_enabled:
            self._join.check(user_id)

    def check_create_channel(self, user_id: UserId) -> None:
        """One more channel of this user; those that a seed client makes by joining count too. Called in a thread."""
        if self._is_enabled:
            self._create_channel.check(user_id)

    def check_change(self, user_id: UserId) -> None:
        """One more edit, reaction, report or change of a channel: each may be told to many. Called in a thread."""
        if self._is_enabled:
            self._change.check(user_id)
