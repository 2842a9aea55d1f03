"""Keeps what this process knows of whom its users block right: chat.delivery.hidings, filled from the store.

It is read when a user's session first has to do with a direct channel or a group, before it is told anything of it,
and again when an order on the bus says that the user blocked or unblocked somebody. What the bus loses is made good
within a minute: in ROUND_S all of it is read once.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections.abc import Callable, Sequence

from chat import selectors
from chat.delivery.follows import Follows
from chat.delivery.hub import Hub
from chat.domain.ids import ChannelKey, UserId
from chat.domain.rules import is_direct_key
from chat.live.rounds import TICK_S, Round
from reaktor.db.database import Database
from reaktor.errors import ReaktorError

logger = logging.getLogger(__name__)

ROUND_S = 28.0
"""Who comes during a round is read in the next one: that is less than the minute that is promised."""
USERS_TOGETHER = 100


class Hiding:
    """ready() before anything of a channel is shown to a user; changed() by order; end() when a user is gone.

    `on_changed` is called with a user from whom others are hidden than before. run() is owned by the runtime.
    """

    def __init__(self, hub: Hub, follows: Follows, database: Database, on_changed: Callable[[UserId], None]) -> None:
        self._hub = hub
        self._follows = follows
        self._hidings = hub.hidings
        self._database = database
        self._on_changed = on_changed
        self._to_read: dict[UserId, None] = {}
        self._has_to_read = asyncio.Event()
        self._is_gap = False
        # Of two looks into the store the one that began later is right, whichever ends first.
        self._looks = itertools.count(1)
        self._read_in: dict[UserId, int] = {}

    def is_ready(self, user_id: UserId, *keys: ChannelKey) -> bool:
        """Whether it is known what of these channels is hidden from the user."""
        return self._hidings.knows(user_id) or not any(map(is_direct_key, keys))

    async def ready(self, user_id: UserId, *keys: ChannelKey) -> None:
        """See to it, for a user who has a session in the hub. Raises UnavailableError."""
        if not self.is_ready(user_id, *keys):
            await self._read([user_id])

    def changed(self, user_id: UserId) -> None:
        """The user blocks others than before: read that, soon."""
        if self._hub.sessions_of(user_id):
            self._to_read[user_id] = None
            self._has_to_read.set()

    def on_gap(self) -> None:
        """The bus lost something: read all of it at the next tick."""
        self._is_gap = True

    def end(self, user_id: UserId) -> None:
        """The user's last session of this process is gone."""
        self._hidings.drop(user_id)
        self._read_in.pop(user_id, None)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_changed(), name="hiding: who blocks whom")
            tasks.create_task(self._compare(), name="hiding: compare")

    async def _read_changed(self) -> None:
        while True:
            await self._has_to_read.wait()
            users = list(self._to_read)[:USERS_TOGETHER]
            for user_id in users:
                del self._to_read[user_id]
            if not self._to_read:
                self._has_to_read.clear()
            try:
                await self._read(users)
            except ReaktorError:
                for user_id in users:
                    self.changed(user_id)
                await asyncio.sleep(TICK_S)

    async def _compare(self) -> None:
        everybody = Round(ROUND_S, self._users)
        while True:
            await asyncio.sleep(TICK_S)
            has_gap, self._is_gap = self._is_gap, False
            for user_id in self._users() if has_gap else everybody.next():
                self.changed(user_id)

    def _users(self) -> list[UserId]:
        """Those of whom it is known, and those who follow a group that is younger than their sessions."""
        followers = (each for each in self._follows.users() if any(map(is_direct_key, self._follows.channels_of(each))))
        return list(dict.fromkeys([*self._hidings.users(), *followers]))

    async def _read(self, users: Sequence[UserId]) -> None:
        """Raises UnavailableError."""
        renames = -1
        while renames != self._hidings.renames:
            renames, look = self._hidings.renames, next(self._looks)
            found = await self._database.read(selectors.hidings_of, users)
        for user_id, hidden in found.items():
            if self._read_in.get(user_id, 0) > look or not self._hub.sessions_of(user_id):
                continue
            self._read_in[user_id] = look
            was_known = self._hidings.knows(user_id)
            if not self._hidings.put(user_id, hidden) and was_known:
                self._on_changed(user_id)
