"""Writes where this process's sessions are and what they have seen, for the authority that comes after this one.

Nobody waits for it. The runtime tells what happens to sessions, and run() stores once a second what is new, in one
statement; only of sessions that are kept at all once they are lost. chat.membership.places decides what is written.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Iterable, Mapping

from chat.delivery.hub import Hub
from chat.delivery.live_session import Ended, LiveSession
from chat.domain.ids import ChannelKey, SessionId
from chat.domain.sessions import Ending, Naming
from chat.live.feeds import Feeds
from chat.membership.places import Place, PlaceNotes
from chat.membership.replica import Replica
from chat.membership.roster import SessionEntry
from chat.selectors import places_page, worker_places
from chat.services.places import places_clear, places_store
from reaktor.config.model import MembershipTimings
from reaktor.db.database import Database
from reaktor.errors import UnavailableError

logger = logging.getLogger(__name__)

WRITE_S = 1.0
SHARE = 10
"""It rests at least so many times as long as a statement took: posts are stored by the same thread."""
CLEAR_S = 60.0
TURN_S = 1.0
"""Longer than a turn of the loop takes."""
LAST_S = 0.8
"""How long the end of the process may wait for the last rows."""


async def load_places(database: Database) -> list[Place]:
    """What the authority is to keep of sessions that were live, or kept, when the one before it ended.

    In pages, so that no question takes as long as all of them. Raises UnavailableError.
    """
    workers = await database.read(worker_places)
    found, after = await database.read(places_page, workers)
    while after is not None:
        more, after = await database.read(places_page, workers, after)
        found += more
    return found


class KeptPlaces:
    """run() is owned by the runtime."""

    def __init__(
        self, database: Database, hub: Hub, feeds: Feeds, replica: Replica, timings: MembershipTimings
    ) -> None:
        self._database = database
        self._hub = hub
        self._feeds = feeds
        self._replica = replica
        self._catching_up: set[SessionId] = set()
        keep_s = max(timings.quit_grace_s, timings.keep_grace_s, timings.recovery_keep_s)
        self._notes = PlaceNotes(secrets.token_hex(8), self._look, keep_s=keep_s)

    # -- what happens to sessions ---------------------------------------------------------------------------------

    def connected(self, session: LiveSession) -> None:
        """The membership has accepted it, perhaps in the place of another one, which is over with that."""
        if _is_kept(session):
            self._notes.moved(session.info.session_id)
            entry = self._replica.session(session.info.session_id)
            if entry is not None and entry.took_over is not None and not _is_guess(entry):
                self._notes.over(entry.took_over, time.time())

    def moved(self, session: LiveSession) -> None:
        """It is in other channels, or has another status."""
        if _is_kept(session) and self._hub.get(session.info.session_id) is session:
            self._notes.moved(session.info.session_id)

    def note_end(self, session: LiveSession) -> Mapping[ChannelKey, int]:
        """Its connection has ended: what is delivered from now on it is not sent. Returns what it was. Repeatable; the
        first one counts.
        """
        if session.ended is None:
            session.ended = Ended(time.monotonic(), self._sent(session))
        return session.ended.heads

    def ended(self, session: LiveSession, ending: Ending, channels: Iterable[ChannelKey]) -> dict[ChannelKey, int]:
        """It is in the hub no more, where it was in these channels. Returns what it was sent, in all of them."""
        assert session.ended is not None  # noqa: S101  the runtime has noted it
        at, heads = session.ended
        # Into those that it lacks it was put when it was sent nothing any more.
        heads = self._feeds.heads_before([key for key in channels if key not in heads], at) | heads
        if not _is_kept(session):
            return heads
        if ending is Ending.GOODBYE:
            self._notes.over(session.info.session_id, time.time())
            return heads
        entry = self._replica.session(session.info.session_id)
        keys = heads.keys() if entry is None else heads.keys() | entry.channels
        self._notes.lost(self._place(session, {key: heads.get(key) for key in keys}, lost_at=time.time()))
        return heads

    def _sent(self, session: LiveSession) -> dict[ChannelKey, int]:
        since = session.doubtful_since
        if since is None and session.outbox:
            # That was delivered in this loop turn, and will not leave any more.
            since = time.monotonic() - TURN_S
        channels = session.channels
        heads = self._feeds.heads_of(channels) if since is None else self._feeds.heads_before(channels, since)
        # It is still being sent what came after these.
        heads |= {key: after for key, after in session.waiting.items() if after is not None}
        if not session.is_heard:
            # Its client may have given the connection up before anything arrived: it is sent all of it again.
            heads |= {key: after for key, after in session.began_after.items() if key in heads}
        return heads

    def _look(self, session_id: SessionId) -> Place | None:
        session = self._hub.get(session_id)
        if session is None:
            return None
        if session.waiting:
            self._catching_up.add(session_id)
        # What it is still being sent counts from where it is; elsewhere it has what its worker has delivered.
        return self._place(session, dict.fromkeys(session.channels) | session.waiting)

    def _place(
        self, session: LiveSession, heads: Mapping[ChannelKey, int | None], *, lost_at: float | None = None
    ) -> Place:
        entry = self._replica.session(session.info.session_id)
        copy_of = entry.took_over if entry is not None and _is_guess(entry) else None
        return Place(session.info, session.status, heads, session.credentials, lost_at, copy_of)

    # -- the statements -------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Until cancelled; then finish() has the last word."""
        next_clear = time.monotonic() + CLEAR_S
        while True:
            await asyncio.sleep(WRITE_S)
            began = time.monotonic()
            try:
                if began >= next_clear:
                    next_clear = began + CLEAR_S
                    await self._database.write(places_clear)
                else:
                    await self._write()
            except UnavailableError:
                pass  # the database is away: everybody else says so
            except Exception:
                logger.exception("kept places: not written; it will be tried again")
            await asyncio.sleep((time.monotonic() - began) * SHARE - WRITE_S)

    async def finish(self) -> None:
        """Write all that is left, unless that takes too long: the process ends."""
        try:
            async with asyncio.timeout(LAST_S):
                while await self._write():
                    pass
        except (TimeoutError, UnavailableError):
            logger.warning("kept places: the last ones were not written (%d sessions)", len(self._notes))
        except Exception:
            logger.exception("kept places: the last ones were not written")

    async def _write(self) -> bool:
        """Whether there was something to write, and more of it waits. Raises UnavailableError."""
        rows = self._notes.take(self._feeds.heads(), time.time())
        if not rows:
            return False
        try:
            await self._database.write(places_store, rows)
        except BaseException:
            self._notes.put_back(rows)
            raise
        self._notes.written()
        is_more = len(self._notes) > 0
        for session_id in self._catching_up:
            # It is somewhere else in a second.
            self._notes.moved(session_id)
        self._catching_up.clear()
        return is_more


def _is_guess(entry: SessionEntry) -> bool:
    """Whether the place that it took over, if any, stays for a client that names it (KeptSessions.likeliest())."""
    return entry.info.naming is Naming.PERHAPS


def _is_kept(session: LiveSession) -> bool:
    grace = session.info.grace
    return grace.keep_s > 0 or grace.quit_s > 0
