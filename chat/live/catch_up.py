"""Catching up: sessions that are put into a channel are sent what they missed there, then everything that comes.

A storm (a worker died with a thousand sessions) must cost little more than its bytes: the pages are ready-made and
shared, so many sessions at a time are admitted, each is sent a page when it has taken the one before, and the loop has
its turn between any two. Called by local_members.py.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Set

from chat.delivery.hub import Hub
from chat.delivery.live_session import Frame, LiveSession
from chat.delivery.pages import Page
from chat.domain.ids import ChannelKey
from chat.live.feeds import Feeds
from reaktor.errors import Bye, CloseCode

PLACES = 32
"""Sessions that are caught up side by side; the others wait in the order in which they came."""
QUICK_S = 1.0
"""So long a session may take for a page and keep its place; then others have their turn while it is waited for."""
LOOK_S = 0.01
PAGE_S = 30.0
"""Who has not taken a page after that is too slow to be caught up, and is ended as such."""


class CatchUp:
    """at_once() where that can be, else page_by_page() in a task; at their end the session is in the channel."""

    def __init__(self, hub: Hub, feeds: Feeds) -> None:
        self._hub = hub
        self._feeds = feeds
        self._places = asyncio.Semaphore(PLACES)

    def at_once(self, session: LiveSession, channel: ChannelKey, after: int | None) -> bool:
        """Send all and enter in this turn: one page at most, of an open feed. Whether that could be."""
        feed = self._feeds.get(channel)
        if feed is None:
            return False
        if after is not None:
            page = self._feeds.page_ready(channel, after)
            if page is None or page.until < feed.head:
                return False
            self._hub.replay(session, self._frames(session, channel, page, after, after, frozenset()))
        self._hub.enter(session, channel)
        return True

    async def page_by_page(self, session: LiveSession, channel: ChannelKey, is_wanted: Callable[[], bool]) -> None:
        """The same in as many turns as it takes, or until it `is_wanted` no more. Raises what opening a feed raises.

        `session.waiting` and `session.sent` follow, so that a connection that is cut meanwhile need not begin anew.
        """
        async with self._feeds.pinned(channel):
            if (after := session.waiting.get(channel)) is None:
                if is_wanted():
                    self._enter(session, channel)
                return
            place = _Place(self._places)
            try:
                await self._send_all(session, channel, after, is_wanted, place)
            finally:
                place.give_up()

    async def _send_all(
        self, session: LiveSession, channel: ChannelKey, after: int, is_wanted: Callable[[], bool], place: _Place
    ) -> None:
        cursor, told = after, set[str]()
        while True:
            await place.take()
            page = await self._feeds.page_after(channel, cursor)
            if not is_wanted():
                return
            self._hub.replay(session, self._frames(session, channel, page, cursor, after, told))
            feed = self._feeds.get(channel)
            if feed is None or page.until >= feed.head:
                # In one turn: the end of what was missed, then everything that comes.
                self._enter(session, channel)
                return
            # The page before has left this machine; this one may be lost with the connection.
            session.waiting[channel], session.sent[channel] = cursor, page.until
            told |= page.ids
            cursor = page.until
            if not await _has_taken(session, QUICK_S):
                place.give_up()
                if not await _has_taken(session, PAGE_S):
                    session.close(Bye(CloseCode.TOO_SLOW))
                    return

    def _frames(
        self, session: LiveSession, channel: ChannelKey, page: Page, cursor: int, start: int, told: Set[str]
    ) -> list[Frame]:
        names = self._hub.hidings.of(session.user.id, channel)
        if names:
            return page.frames_apart(session.format, cursor, start, told, names)
        return page.frames(session.format, cursor, start, told)

    def _enter(self, session: LiveSession, channel: ChannelKey) -> None:
        session.waiting.pop(channel, None)
        session.sent.pop(channel, None)
        self._hub.enter(session, channel)


class _Place:
    """A place among those who are caught up now: taken and given up as often as one likes."""

    def __init__(self, places: asyncio.Semaphore) -> None:
        self._places = places
        self._is_taken = False

    async def take(self) -> None:
        if not self._is_taken:
            await self._places.acquire()
            self._is_taken = True

    def give_up(self) -> None:
        if self._is_taken:
            self._is_taken = False
            self._places.release()


async def _has_taken(session: LiveSession, timeout_s: float) -> bool:
    """Whether the session takes what it was sent within that time; one that has ended takes everything."""
    await asyncio.sleep(0)  # the hub writes at the end of this turn
    until = time.monotonic() + timeout_s
    while session.is_open and not session.is_writable:
        if time.monotonic() > until:
            return False
        await asyncio.sleep(LOOK_S)  # sockets don't say
    return True
