"""The runtime of one process: the live side of the server, put together and kept running.

One receive loop for the process's mailbox; Changes of the membership become hub entries and Events; durable events
of the own writer go to the own hub first and then to the bus. Flows: post, join, worker crash, supervisor start.
Installed as reaktor.process.node's runtime by reaktor.asgi; actions and (through call_soon) publish and views call it.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import logging
import random
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from accounts.models import User
from chat import selectors
from chat.deletions import Deletions
from chat.delivery import wire
from chat.delivery.hub import Hub
from chat.delivery.live_session import LiveSession
from chat.domain.events import Event, MemberData
from chat.domain.following import Follow
from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import Ending, Status
from chat.files.storage import FileStorage
from chat.files.sweeping import Sweeper
from chat.live import remote_join
from chat.live.activity import Activities
from chat.live.arrivals import Arrivals
from chat.live.broadcast import Broadcast
from chat.live.feeds import Feeds, Upkeep
from chat.live.hiding import Hiding
from chat.live.kept_places import KeptPlaces, load_places
from chat.live.local_members import LocalMembers
from chat.live.members import members_page
from chat.live.profiles import Profiles
from chat.live.remote_join import RemoteJoin
from chat.live.revalidation import Revalidation, verify_again
from chat.live.standings import Look, Standings
from chat.membership.authority import Authority
from chat.membership.feeder import Feeder
from chat.membership.protocol import (
    AnnouncedSession,
    Connect,
    Disconnect,
    EndSession,
    Join,
    Leave,
    Mandate,
    Outcome,
    SetStatus,
)
from chat.membership.replica import Replica
from chat.membership.roster import SessionEntry
from chat.membership.wire import worker_mailbox
from chat.notices.courier import Courier
from chat.notices.webpush import push_opener
from chat.posting.textrules import CurrentTextRules
from chat.posting.writer import Writer
from chat.search.keeper import Keeper
from reaktor import __version__
from reaktor.config.model import Config
from reaktor.db.database import Database, probe
from reaktor.errors import (
    BannedError,
    Bye,
    CloseCode,
    NotAuthenticatedError,
    NotFoundError,
    ReaktorError,
    Terms,
    UnavailableError,
)
from reaktor.limits.rates import Rates
from reaktor.observe.metrics import Metrics
from reaktor.owned import spawn
from reaktor.process import node
from reaktor.process.bus import OVERFLOW, Bus, BusError, Layer
from reaktor.process.orders import (
    BLOCKS_CHANGED,
    END_LOGIN,
    END_SESSIONS,
    HIDING_CHANGED,
    ORDERS_GROUP,
    PROFILE_CHANGED,
    RENAMED,
)
from reaktor.shapes import ListData
from reaktor.times import parse_timestamp

logger = logging.getLogger(__name__)
T = TypeVar("T")

PROBE_S = 5.0
SEARCHES_AT_ONCE = 2
DEFERRED_S = 0.02
"""How long presence and typing wait for more to be written with them: a crowd that comes writes to each other less."""


def _bye_of(body: Mapping[str, Any]) -> Bye:
    """What END_SESSIONS says to its sessions."""
    code, reason = CloseCode(body["code"]), str(body.get("reason") or "")
    if "until" not in body:
        return Bye(code, reason or None)
    until = body["until"]
    return Bye(code, terms=Terms(None if until is None else parse_timestamp(until), reason))


def current() -> Runtime | None:
    """This process's runtime, or None (a management command, a test without one)."""
    running = node.current()
    return running.runtime if running is not None else None


class Runtime:
    """Everything live in this process. run() owns all of its tasks."""

    def __init__(
        self,
        config: Config,
        layer: Layer,
        worker: WorkerId,
        *,
        rates: Rates,
        text_rules: CurrentTextRules,
        with_authority: bool,
        vapid_key: str = "",
    ) -> None:
        self.config = config
        self.rates = rates
        self.text_rules = text_rules
        self.worker = worker
        self.bus = Bus(layer, scope=config.scope, timeout_s=config.membership.publish_timeout_s)
        self.mailbox = worker_mailbox(worker)
        self.database = Database(config.database)
        self.hub = Hub(
            unsent_bytes=config.limits.unsent_bytes,
            on_dirty=self._schedule_flush,
            on_deferred=self._schedule_deferred,
            on_moved=self._on_moved,
        )
        self.feeds = Feeds(self.bus, self.mailbox, self.database, self.hub, config.delivery)
        # The authority of several workers is in their supervisor.
        say = None if with_authority else self._say_activities
        self.activities = Activities(self.hub, self.database, say)
        self.hiding = Hiding(self.hub, self.activities.follows, self.database, self.activities.count)
        self.broadcast = Broadcast(
            self.bus,
            self.hub,
            self.feeds,
            self.activities,
            is_alone=with_authority,
            is_elsewhere=self._is_elsewhere,
        )
        self.replica = Replica(worker)
        self.writer = Writer(
            self.database, config.database, rates, text_rules, self.broadcast.stored, self.replica.present
        )
        self.profiles = Profiles(self.hub, self.replica, self.activities.follows, self.database)
        self.standings = Standings()
        self.kept_places = KeptPlaces(self.database, self.hub, self.feeds, self.replica, config.membership)
        self.arrivals = Arrivals()
        self.local_members = LocalMembers(self.hub, self.feeds, self._spawn, self.hiding)
        self.upkeep = Upkeep(self.feeds, self.database, self.hub, config.delivery, self.local_members.resend)
        self.feeder = Feeder(
            self.bus,
            config.membership,
            self.replica,
            worker=worker,
            announce=self._announce,
            here=self.hub.session_ids,
            on_transitions=self.local_members.carry_out,
            read_mandate=self._read_mandate,
            heads=self.feeds.heads,
            moved=self.feeds.moved,
            beat_due=self.feeds.beat_due,
        )
        self.courier = Courier(
            self.database,
            holder=self.mailbox,
            status_of=self.replica.status_of,
            is_in_step=lambda: self.feeder.is_in_step and not self.is_draining,
            open_push=push_opener(config, vapid_key),
            home=config.page_url,
        )
        self.file_storage = FileStorage(config)
        self.sweeper = Sweeper(self.database, self.file_storage, config.files, is_ours=lambda: self.courier.has_duty)
        self.search_keeper = Keeper(self.database, holder=self.mailbox, may_act=lambda: not self.is_draining)
        # A search may take half a second, and what else is read must not wait for many of them.
        self.search_turns = asyncio.Semaphore(SEARCHES_AT_ONCE)
        self.searching = 0
        self.remote_join = RemoteJoin(self.bus, worker, self.feeds, self.replica, self.feeder)
        # Of this process alone: nobody else hears it, and no lease has to say so.
        self._own_mandate = Mandate(int(time.time() * 1000), "") if with_authority else None
        self.authority = None if self._own_mandate is None else self._new_authority(self._own_mandate)
        self._tasks: asyncio.TaskGroup | None = None
        # A flush serves many sessions, so it logs under the id of none (reaktor.observe.logcontext).
        self._nobodys = contextvars.Context()
        self.is_draining = False

    async def _read_mandate(self) -> Mandate:
        return self._own_mandate or Mandate(*await self.database.read(selectors.authority_mandate))

    def _new_authority(self, mandate: Mandate) -> Authority:
        limits = self.config.limits
        return Authority(
            self.bus,
            self.config.membership,
            mandate=mandate,
            max_sessions_per_user=limits.max_sessions_per_user,
            max_channels_per_session=limits.channels_per_session,
            load_blocks=partial(self.database.read, selectors.BlockReader()),
            load_places=partial(load_places, self.database),
        )

    # -- Life -------------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Run until cancelled. A part that ends by an error ends the whole: a process with half a runtime is worse."""
        try:
            async with asyncio.TaskGroup() as tasks:
                self._tasks = tasks
                tasks.create_task(self._receive(), name="runtime: receive")
                tasks.create_task(self.broadcast.run(), name="runtime: broadcast")
                tasks.create_task(self._tick(), name="runtime: tick")
                tasks.create_task(self._subscribe(), name="runtime: subscribe")
                tasks.create_task(self.writer.run(), name="runtime: writer")
                tasks.create_task(Deletions(self.database).run(), name="runtime: deletions")
                tasks.create_task(self.upkeep.run(), name="runtime: feeds")
                tasks.create_task(self.activities.run(), name="runtime: activities")
                tasks.create_task(self.profiles.run(), name="runtime: profiles")
                tasks.create_task(self.hiding.run(), name="runtime: hiding")
                tasks.create_task(self.feeder.run(), name="runtime: feeder")
                tasks.create_task(self.kept_places.run(), name="runtime: kept places")
                tasks.create_task(self.courier.run(), name="runtime: courier")
                tasks.create_task(self.sweeper.run(), name="runtime: files")
                tasks.create_task(self.search_keeper.run(), name="runtime: search")
                tasks.create_task(self._watch_database(), name="runtime: database")
                revalidation = Revalidation(self.database, self.hub, self.config.delivery.sessions_interval_s)
                tasks.create_task(revalidation.run(), name="runtime: revalidation")
                if self.authority is not None:
                    tasks.create_task(self.authority.run(), name="runtime: authority")
        finally:
            self._tasks = None
            await self.kept_places.finish()
            await asyncio.to_thread(self.database.close)

    async def wait_ready(self) -> None:
        """Until the replica holds a snapshot: from then on sessions may come."""
        await self.feeder.wait_ready()

    async def drain(self, seconds: float) -> None:
        """Say `bye 4001` to every session, spread over half of the time, and wait until they are gone or time is up."""
        self.is_draining = True
        await self.courier.give_back()
        await self.search_keeper.give_back()
        deadline = time.monotonic() + seconds
        sessions = self.hub.sessions()
        for index, session in enumerate(sessions):
            session.close(Bye(CloseCode.RESTARTING, retry_after_s=_spread_s()))
            if index % 50 == 49:
                await asyncio.sleep(seconds / 2 / max(len(sessions) / 50, 1))
        # The authority is to hear how each ended, or they count as having all that came up to this worker's last beat.
        while (len(self.hub) or self.feeder.has_to_send) and time.monotonic() < deadline:  # noqa: ASYNC110  a deadline
            await asyncio.sleep(0.02)
        # Here there is time for it, however many they were.
        await self.kept_places.finish()

    def status(self) -> dict[str, Any]:
        """Counters and positions for the heartbeat, /readyz and clusterctl."""
        position = self.replica.position
        return {
            "version": __version__,
            "sessions": len(self.hub),
            "epoch": position.epoch if position else 0,
            "revision": position.revision if position else 0,
            "digest": self.replica.digest(),
            "in_step": self.feeder.is_in_step,
            "follows": self.feeder.missing_s < self.config.membership.missing_s,
            "bus": self.bus.is_up,
            "messages_in": self.writer.stored_total,
            "messages_out": self.hub.deliveries_total,
            "batches": self.writer.batches_total,
            "repairs": self.upkeep.repairs_total,
            "slow_closed": self.hub.slow_total,
            "metrics": self.metrics(),
        }

    def hosts(self) -> list[dict[str, Any]]:
        """All hosts of the database, as reaktor.cluster.status shows them; none where this process is not one."""
        return []

    def metrics(self) -> Metrics:
        """What this process counts, for /metrics; whoever runs beside the runtime adds its own."""
        waiting = self.database.waiting
        return {
            "counters": {
                "joins": self.hub.joins_total,
                "messages_in": self.writer.stored_total,
                "messages_out": self.hub.deliveries_total,
                "resyncs": self.feeder.resyncs,
                "replica_junk": self.feeder.junk,
                "commands_dropped": self.feeder.commands_dropped,
                "authority_missing_seconds": round(self.feeder.missed_s, 1),
                "feed_repairs": self.upkeep.repairs_total,
                "slow_sessions_closed": self.hub.slow_total,
                "bus_dropped": self.bus.dropped,
                "broadcast_dropped": self.broadcast.dropped_total,
                "search_indexed": self.search_keeper.indexed_total,
                **{f"notices:{outcome}": count for outcome, count in self.courier.outcomes.items()},
                **{f"rate_limited:{name}": count for name, count in self.rates.refused().items()},
            },
            "gauges": {
                **{f"sessions:{transport.value}": count for transport, count in self.hub.by_transport.items()},
                "queue:writer": len(self.writer),
                "queue:broadcast": len(self.broadcast),
                "queue:database_read": waiting["read"],
                "queue:database_write": waiting["write"],
            },
            "flags": {"bus_up": self.bus.is_up, "database_up": self.database.is_up},
            "histograms": {
                "fanout_seconds": self.broadcast.fanout_seconds.as_data(),
                "commit_seconds": self.writer.commit_seconds.as_data(),
                "commit_messages": self.writer.commit_messages.as_data(),
            },
        }

    def _spawn(self, coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None] | None:
        """A task that this runtime owns; when it stops they all stop. None: refused, while it does not run."""
        return spawn(self._tasks, coroutine, name)

    async def _receive(self) -> None:
        async for kind, body in self.bus.listen(self.mailbox):
            try:
                self._on_message(kind, body)
            except Exception:
                logger.exception("runtime: a bus message of kind %s was not understood", kind)

    def _on_message(self, kind: str, body: dict[str, Any]) -> None:
        if self.broadcast.on_message(kind, body) or self.feeder.on_message(kind, body):
            return
        if kind in {END_SESSIONS, END_LOGIN, BLOCKS_CHANGED}:
            self.standings.drop()
        if kind == END_SESSIONS:
            self._on_end_sessions(UserId(body["user_id"]), _bye_of(body))
        elif kind == END_LOGIN:
            self._on_end_login(UserId(body["user_id"]), body["login"], CloseCode(body["code"]), body["reason"])
        elif kind == RENAMED:
            self.feeds.rename(body["old"], body["new"])
        elif kind == PROFILE_CHANGED:
            self.profiles.changed(UserId(body["user_id"]))
        elif kind == HIDING_CHANGED:
            self.hiding.changed(UserId(body["user_id"]))
        elif kind == remote_join.OPEN:
            # Read here, where junk is survived: an error in a task of its own would end the whole process.
            opening = self.remote_join.open(
                ChannelKey(body["channel"]), reply_to=str(body["reply_to"]), request_id=str(body["id"])
            )
            self._spawn(opening, "open feed for another worker")
        elif kind == remote_join.OPENED:
            self.remote_join.on_opened(body)
        elif kind == wire.TRIMMED_KIND:
            self._spawn(self.upkeep.trim(ChannelKey(body["channel"])), "forget what retention deleted")
        elif kind == OVERFLOW:
            self._spawn(self.upkeep.compare_heads(), "runtime: heads after overflow")
            self.activities.on_gap()
            self.hiding.on_gap()

    async def _subscribe(self) -> None:
        """Join the groups that every process reads; the bus may still be on its way up."""
        for group in (wire.EVERYBODY_GROUP, ORDERS_GROUP):
            while True:
                try:
                    await self.bus.subscribe(group, self.mailbox)
                    break
                except BusError:
                    await asyncio.sleep(0.2)

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            now = time.monotonic()
            is_bus_lost = self.feeder.bus_silent_s > self.config.membership.bus_lost_s
            for session in self.hub.sessions():
                if is_bus_lost:
                    # Joins, presence and other workers' messages have been missing for too long to call this a chat.
                    session.close(Bye(CloseCode.BUS_LOST, retry_after_s=_spread_s()))
                else:
                    session.tick(now)

    async def _watch_database(self) -> None:
        """Ask it something now and then, so that `database.is_up` is true of a process where nobody says anything."""
        while True:
            with contextlib.suppress(ReaktorError):
                await self.database.read(probe)
            await asyncio.sleep(PROBE_S)

    # -- Sessions ---------------------------------------------------------------------------------------------

    async def connect(
        self,
        session: LiveSession,
        verify: Callable[[], User],
        look: Look | None = None,
        *,
        follows: Sequence[Follow] = (),
        resume: SessionId | None = None,
    ) -> None:
        """Make a session live, to be found by whatever ends tokens.

        `verify` then reads its token's user anew, for what was said before that. `look`: that in which the user was
        found; while it is current, once was enough. `follows`: what was read in that look of what the user follows.
        `resume` as in Connect. Raises NotFoundError (there is no such session), BannedError, NotAuthenticatedError,
        TooManySessionsError, UnavailableError; then it is not live.
        """
        if self.is_draining:
            raise UnavailableError("The server is restarting.")
        self.hub.attach(session)
        try:
            if follows and look is not None:
                await self.hiding.ready(session.user.id, *(each.channel for each in follows))
                self.activities.begin(session.user.id, follows, look.began)
            await self.feeder.submit(Connect(session.info, resume))
        except BaseException:
            self.hub.detach(session)
            self._note_gone(session.user.id)
            raise
        if (entry := self.replica.session(session.info.session_id)) is not None:
            # That of the session whose place it took; a Hello would say another one.
            session.status = entry.status
        self.kept_places.connected(session)
        if session.is_open and look is not None and self.standings.is_current(look, time.monotonic()):
            return
        try:
            await verify_again(self.database, session, verify)
        except (BannedError, NotAuthenticatedError):
            self.disconnect(session, Ending.GOODBYE)
            raise
        except BaseException:
            # It comes back, and to the place that it had.
            self.disconnect(session, Ending.LOST)
            raise

    def note_end(self, session: LiveSession) -> None:
        """Nothing more reaches its client. disconnect() follows, behind what it said before. May be repeated."""
        if self.hub.get(session.info.session_id) is session:
            self.feeder.note_ended(session.info.session_id, self.kept_places.note_end(session))

    def disconnect(self, session: LiveSession, ending: Ending) -> None:
        """A session's connection is gone. May be repeated."""
        if self.hub.get(session.info.session_id) is not session:
            return
        self.kept_places.note_end(session)
        known = self.kept_places.ended(session, ending, self.hub.detach(session))
        self.feeder.tell(Disconnect(session.info.session_id, ending, known))
        self._note_gone(session.user.id)

    def _note_gone(self, user_id: UserId) -> None:
        """A session of the user is gone from the hub; it may have been the last one."""
        if not self.hub.sessions_of(user_id):
            self.activities.end(user_id)
            self.hiding.end(user_id)

    async def join(self, session: LiveSession, key: ChannelKey, on_applied: Callable[[Outcome], T]) -> T:
        """The session enters a channel whose feed is pinned; on_applied runs in the very turn in which it is in."""
        await self.hiding.ready(session.user.id, key)
        feed = self.feeds.get(key)
        return await self.feeder.submit(Join(session.info.session_id, key, feed.head if feed else None), on_applied)

    async def leave(self, session: LiveSession, key: ChannelKey) -> None:
        await self.feeder.submit(Leave(session.info.session_id, key))

    async def set_status(self, session: LiveSession, status: Status) -> None:
        await self.feeder.submit(SetStatus(session.info.session_id, status))
        session.status = status
        self.kept_places.moved(session)

    async def join_user(self, user_id: UserId, key: ChannelKey, head: int, *, limit: int) -> list[MemberData]:
        """RemoteJoin.join_user(), and then the first `limit` members. Raises as it does."""
        await self.remote_join.join_user(user_id, key, head)
        return self.members(key, limit=limit)["results"]

    def _say_activities(self, body: Mapping[str, Any]) -> None:
        self.broadcast.say_activities(body)

    def _is_elsewhere(self, user_id: UserId, session_id: SessionId | None) -> bool:
        return any(entry.info.session_id != session_id for entry in self.replica.sessions_of(user_id))

    def join_user_for_view(
        self, user_id: UserId, key: ChannelKey, head: int, timeout_s: float, *, limit: int
    ) -> list[MemberData]:
        """join_user() for a view's thread, in one call into the loop: each costs much. Raises UnavailableError."""
        running = node.current()
        if running is None:
            return []
        try:
            return running.call(self.join_user(user_id, key, head, limit=limit), timeout_s)
        except TimeoutError:
            raise UnavailableError from None

    def end_sessions(self, user_id: UserId, session_ids: Sequence[SessionId], timeout_s: float) -> None:
        """End sessions of one user, whatever their worker, for a view's thread. Raises UnavailableError."""
        running = node.current()
        if running is None:
            return
        try:
            running.call(self._end_sessions(user_id, session_ids), timeout_s)
        except TimeoutError:
            raise UnavailableError from None

    async def _end_sessions(self, user_id: UserId, session_ids: Sequence[SessionId]) -> None:
        for session_id in session_ids:
            with contextlib.suppress(NotFoundError):  # it ended by itself meanwhile
                await self.feeder.submit(
                    EndSession(user_id, session_id, CloseCode.LOGGED_OUT, "logged out from elsewhere")
                )

    def _announce(self) -> list[AnnouncedSession]:
        return [
            AnnouncedSession(session.info, session.status, frozenset(session.channels) | frozenset(session.waiting))
            for session in self.hub.sessions()
        ]

    def _on_end_sessions(self, user_id: UserId, bye: Bye) -> None:
        for session in self.hub.sessions_of(user_id):
            session.close(bye)

    def _on_end_login(self, user_id: UserId, login: str, code: CloseCode, reason: str) -> None:
        for session in self.hub.sessions_of(user_id):
            if session.credentials.login == login:
                session.close(Bye(code, reason))

    def publish_durable(self, events: Sequence[Event]) -> None:
        """For chat.publish, in the loop."""
        self.broadcast.durable(events)

    def publish_ephemeral(self, event: Event, audience: wire.Audience) -> None:
        """For chat.publish, in the loop."""
        self.broadcast.ephemeral(event, audience)

    def _on_moved(self, session: LiveSession) -> None:
        self.kept_places.moved(session)

    def _schedule_flush(self) -> None:
        asyncio.get_running_loop().call_soon(self._flush, context=self._nobodys)

    def _flush(self) -> None:
        self.hub.flush()
        self.broadcast.written()

    def _schedule_deferred(self) -> None:
        asyncio.get_running_loop().call_later(DEFERRED_S, self.hub.flush_deferred, context=self._nobodys)

    # -- Who is there, for views (any thread) -----------------------------------------------------------------

    def online_count(self, key: str) -> int:
        return self.replica.member_count(ChannelKey(key))

    def sessions_of(self, user_id: UserId) -> list[SessionEntry]:
        """The user's sessions on all workers, oldest first; lingering ones are not among them."""
        return [entry for entry in self.replica.sessions_of(user_id) if entry.is_live]

    def status_of(self, user_id: UserId) -> Status | None:
        """The user's status; None: they have no live session."""
        return self.replica.status_of(user_id)

    def members(self, key: ChannelKey, *, cursor: str | None = None, limit: int | None = None) -> ListData[MemberData]:
        """A page of who is in a channel; `limit` None: as many as an answer to a join has. In the loop only.

        Raises InvalidError.
        """
        return members_page(self.replica, key, cursor, limit or self.config.delivery.members_page)

    def members_for_view(
        self, key: str, timeout_s: float, *, cursor: str | None = None, limit: int | None = None
    ) -> ListData[MemberData]:
        """members() for a view's thread. Raises InvalidError, UnavailableError."""
        running = node.current()
        if running is None:
            return {"results": [], "next": None}

        async def members() -> ListData[MemberData]:
            return self.members(ChannelKey(key), cursor=cursor, limit=limit)

        try:
            return running.call(members(), timeout_s)
        except TimeoutError:
            raise UnavailableError from None


def _spread_s() -> float:
    """When one of many sessions that end together should come back, so that not all of them do at once."""
    return round(random.uniform(0.2, 3.0), 2)  # noqa: S311  no secret
