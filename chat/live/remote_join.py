"""Joining with all of a user's Socket.IO sessions at once, whichever worker they are on: the seed contract's join.

Before the membership changes, every worker that has such a session is asked to open the channel's feed, so that the
session is in it in the very turn in which the change arrives: nothing falls between the history in the REST answer and
the first live event. A worker that does not answer in time opens it when the change comes.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import Mapping, Set
from typing import Any

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import SessionInfo, Transport
from chat.live.feeds import Feeds
from chat.membership.feeder import Feeder
from chat.membership.protocol import Join
from chat.membership.replica import Replica
from chat.membership.wire import worker_mailbox
from reaktor.errors import NotFoundError, ReaktorError
from reaktor.process.bus import Bus, BusError

OPEN = "feed.open"
OPENED = "feed.opened"
OPEN_TIMEOUT_S = 1.0


class RemoteJoin:
    """join_user() on the asking side, on_message() on both."""

    def __init__(self, bus: Bus, worker: WorkerId, feeds: Feeds, replica: Replica, feeder: Feeder) -> None:
        self._bus = bus
        self._worker = worker
        self._feeds = feeds
        self._replica = replica
        self._feeder = feeder
        self._waiting: dict[str, asyncio.Future[None]] = {}

    async def join_user(self, user_id: UserId, key: ChannelKey, head: int) -> None:
        """Put the user's live Socket.IO sessions into the channel, whose newest seq is `head`; none is fine too.

        Those as well that began before this was asked and of which this worker has not heard yet: the answer of the
        authority comes behind their beginning. Raises UnavailableError.
        """
        joined: set[SessionId] = set()
        if not self._sessions_of(user_id, joined):
            await self._feeder.catch_up()
        while sessions := self._sessions_of(user_id, joined):
            joined.update(info.session_id for info in sessions)
            await self._join(sessions, key, head)

    def _sessions_of(self, user_id: UserId, joined: Set[SessionId]) -> list[SessionInfo]:
        infos = (entry.info for entry in self._replica.sessions_of(user_id))
        return [info for info in infos if info.transport is Transport.SOCKETIO and info.session_id not in joined]

    async def _join(self, sessions: list[SessionInfo], key: ChannelKey, head: int) -> None:
        workers = {info.worker for info in sessions}
        async with contextlib.AsyncExitStack() as pins:
            if self._worker in workers:
                await pins.enter_async_context(self._feeds.pinned(key))
            await asyncio.gather(*(self._ask(worker, key) for worker in workers - {self._worker}))
            while sessions:
                first, *others = (info.session_id for info in sessions)
                with contextlib.suppress(NotFoundError):
                    await self._feeder.submit(Join(first, key, head, tuple(others)))
                    return
                del sessions[0]  # it ended this moment; the others are asked for without it

    async def _ask(self, worker: WorkerId, key: ChannelKey) -> None:
        request_id = secrets.token_hex(8)
        opened = self._waiting[request_id] = asyncio.get_running_loop().create_future()
        body = {"id": request_id, "channel": key, "reply_to": worker_mailbox(self._worker)}
        try:
            with contextlib.suppress(TimeoutError, BusError):
                async with asyncio.timeout(OPEN_TIMEOUT_S):
                    await self._bus.send(worker_mailbox(worker), OPEN, body)
                    await opened
        finally:
            del self._waiting[request_id]

    def on_opened(self, body: Mapping[str, Any]) -> None:
        """The answer of a worker that was asked."""
        opened = self._waiting.get(body["id"])
        if opened is not None and not opened.done():
            opened.set_result(None)

    async def open(self, key: ChannelKey, *, reply_to: str, request_id: str) -> None:
        """Open a feed for a worker that asks; it stays open for a while without members."""
        with contextlib.suppress(ReaktorError, BusError):
            async with self._feeds.pinned(key):
                await self._bus.send(reply_to, OPENED, {"id": request_id})
