"""The one door for rates: which there are, and how often one key may do what each of them counts.

Every operation declares its Limit, or says that it is Unmetered and why: live operations in chat.live.operations, REST
views in @operation (reaktor.web.api). A test walks both lists. A key is a user, or whatever else a caller counts by.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus

from reaktor.config.model import Config, Limits
from reaktor.errors import RateLimitedError, ReaktorError
from reaktor.limits.ratelimit import RateLimiter
from reaktor.limits.sharedlimits import SharedCounts, SharedRate


class Limit(StrEnum):
    """What is counted. Each is a field of config's Limits, a setting (LIMIT_SEND …) and a label of the metric."""

    SEND = "send"
    OPERATIONS = "operations"
    LISTS = "lists"
    JOIN = "join"
    CREATE_CHANNEL = "create_channel"
    CHANGES = "changes"
    MEMBERSHIPS = "memberships"
    MODERATION = "moderation"
    BULK_DELETE = "bulk_delete"
    RENAME = "rename"
    PROFILE = "profile"
    PICTURES = "pictures"
    FILES = "files"
    FILE_READS = "file_reads"
    DIRECTORY = "directory"
    SEARCH = "search"
    HOOKS = "hooks"
    LOGIN = "login"
    REGISTER = "register"
    MAIL_TO_ADDRESS = "mail_to_address"
    MAIL_FROM_IP = "mail_from_ip"
    SERVER_INVITES = "server_invites"
    INVITE_LOOKS = "invite_looks"


@dataclass(frozen=True, slots=True)
class Unmetered:
    """No rate, because …"""

    because: str


Allowance = Limit | Unmetered
_UNASKED_SHARE: Mapping[Limit, float] = {Limit.SEND: 0.1, Limit.OPERATIONS: 0.1, Limit.JOIN: 0.1}
"""The part of a rate that each process grants without asking the others (docs/adr/0012-limits-over-all-processes.md).

The frequent ones: who does them now and then costs no question. The rest is asked for each time, and exact.
"""
_OF_ONE_PROCESS = frozenset({Limit.LISTS, Limit.FILE_READS})
"""What keeps a worker from too much work: the others may do theirs."""


class Rates:
    """Owned once per process. Every refusal is a RateLimitedError; LIMITS=off lifts them all.

    `shared`: counts that all processes have in common; None: this process counts alone. `shared_sends`: the same for
    messages; None: this process alone stores them.
    """

    def __init__(
        self,
        limits: Limits,
        shared: SharedCounts | None = None,
        shared_sends: SharedCounts | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.is_enabled = limits.enabled
        self.shared = shared
        self._asks_for_sends = shared_sends is not None
        self._rates: dict[Limit, SharedRate] = {}
        for limit in Limit:
            rate = getattr(limits, limit.value)
            unasked = int(rate.count * _UNASKED_SHARE.get(limit, 0.0))
            counts = None if limit in _OF_ONE_PROCESS else shared_sends if limit is Limit.SEND else shared
            self._rates[limit] = SharedRate(limit.value, rate, counts, clock, unasked=unasked)
        self._clock = clock
        self._refusals = RateLimiter(limits.refusals)

    def check(self, limit: Limit, key: str) -> None:
        """Count one in all processes. Blocks for a round trip: called in threads. Raises RateLimitedError."""
        if self.check_here(limit, key):
            self.check_elsewhere(limit, key)

    def check_left(self, limit: Limit, key: str) -> None:
        """Count nothing. Raises RateLimitedError where check_here() would."""
        if self.is_enabled:
            self._rates[limit].left(key)

    def check_here(self, limit: Limit, key: str) -> bool:
        """Count one in this process, without waiting. Raises RateLimitedError.

        Returns whether the others must be asked as well, by check_elsewhere() in a thread. For messages they need not:
        the writer asks with sends_elsewhere(), for a whole batch at once.
        """
        if not self.is_enabled:
            return False
        rate = self._rates[limit]
        rate.here(key)
        return limit is not Limit.SEND and rate.must_ask(key)

    def check_elsewhere(self, limit: Limit, key: str) -> None:
        """The second half of check(), in a thread. Raises RateLimitedError; then it is not counted here either."""
        if (error := self._rates[limit].everywhere([key])[0]) is not None:
            raise error

    def on_refusal(self, error: ReaktorError, user_id: str) -> float | None:
        """A live session of this user was refused something in this process.

        None: that may happen. Else they go on against refusals: the seconds that they have to stay away.
        """
        # A database that is away is nobody's fault.
        if not self.is_enabled or error.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        return self._refusals.hit(user_id, self._clock())

    def check_may_come(self, user_id: str) -> None:
        """Before a session begins. Raises RateLimitedError for who was put out by on_refusal(), as long as it said."""
        wait_s = self._refusals.wait_s(user_id, self._clock())
        if wait_s is not None:
            raise RateLimitedError(retry_after_s=wait_s)

    @property
    def asks_for_sends(self) -> bool:
        """Whether sends_elsewhere() has anybody to ask."""
        return self.is_enabled and self._asks_for_sends

    def sends_elsewhere(self, user_ids: Sequence[str]) -> list[RateLimitedError | None]:
        """Per message whether it is too much in all processes together. One round trip: called in a thread."""
        return self._rates[Limit.SEND].everywhere(user_ids)

    def refused(self) -> dict[str, int]:
        """How often each limit said no in this process."""
        return {limit.value: rate.refused_total for limit, rate in self._rates.items()}


def rates_of(config: Config, *, is_worker: bool) -> Rates:
    """The rates of this process. Only a worker of a cluster has others beside it, and a Redis that is surely theirs."""
    shared = SharedCounts(config.redis, config.scope) if is_worker and config.redis is not None else None
    is_alone = config.cluster.workers == 1
    return Rates(config.limits, shared, None if is_alone else shared)
