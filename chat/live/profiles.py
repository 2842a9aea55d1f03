"""Whom this process tells that somebody shows another name, status or picture.

Every process hears that a profile changed (PROFILE_CHANGED), reads how it is now, and tells its own sessions: those of
the person, those in a channel where the person is now, and those of who follows a private, direct or group channel of
theirs. So it costs what a change of presence costs; a public channel that the person belongs to and is not in costs
nothing, and its members see it when they next ask. Of one person each session is told once in EACH_S, and then how it
is; of AT_ONCE people a second. Slow sessions are spared it, and what the bus loses is lost: clients read again.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

from chat import selectors
from chat.delivery.follows import Follows
from chat.delivery.hub import Hub
from chat.delivery.live_session import LiveSession
from chat.domain.events import Event, EventType
from chat.domain.ids import SessionId, UserId
from chat.membership.replica import Replica
from chat.selectors import Profile
from reaktor.db.database import Database
from reaktor.errors import ReaktorError

EACH_S = 10.0
TICK_S = 1.0
AT_ONCE = 20
MAX_WAITING = 10_000
"""Beyond it nobody is told of a change: those who wait come first."""


class Profiles:
    """changed() when an order says so; run() is owned by the runtime. In the loop."""

    def __init__(
        self,
        hub: Hub,
        replica: Replica,
        follows: Follows,
        database: Database,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._hub = hub
        self._replica = replica
        self._follows = follows
        self._database = database
        self._clock = clock
        self._waiting: OrderedDict[UserId, None] = OrderedDict()
        self._told: OrderedDict[UserId, float] = OrderedDict()
        self._has_waiting = asyncio.Event()

    def changed(self, user_id: UserId) -> None:
        """Tell of it soon. Who waits already is told of as they are then."""
        if len(self._hub) and len(self._waiting) < MAX_WAITING:
            self._waiting[user_id] = None
            self._has_waiting.set()

    async def run(self) -> None:
        while True:
            await self._has_waiting.wait()
            due = self._due(self._clock())
            # What changes while they are read waits anew.
            for user_id in due:
                del self._waiting[user_id]
            try:
                found = await self._database.read(selectors.profiles_of, due) if due else {}
            except ReaktorError:
                found = {}
                self._waiting.update(dict.fromkeys(due))
            for user_id, profile in found.items():
                self._told[user_id] = self._clock()
                self._tell(user_id, profile)
            if self._waiting:
                await asyncio.sleep(TICK_S)
            else:
                self._has_waiting.clear()

    def _due(self, now: float) -> list[UserId]:
        """The first of those who wait, and of whom nobody was told lately."""
        while self._told and next(iter(self._told.values())) <= now - EACH_S:
            self._told.popitem(last=False)
        return [user_id for user_id in self._waiting if user_id not in self._told][:AT_ONCE]

    def _tell(self, user_id: UserId, profile: Profile) -> None:
        told: dict[SessionId, LiveSession] = {}
        sessions = self._hub.sessions_of(user_id)
        for channel in self._replica.users_channels(user_id):
            sessions += self._hub.members(channel)
        for channel in profile.channels:
            for shows_last in (True, False):
                for follower in self._follows.followers(channel, shows_last=shows_last):
                    sessions += self._hub.sessions_of(follower)
        for session in sessions:
            told[session.info.session_id] = session
        self._hub.to_sessions(Event(EventType.USER_UPDATED, None, {"user": profile.person}), told.values())
