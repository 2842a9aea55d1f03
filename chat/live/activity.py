"""What the users of this process are told of channels that they follow and are not in.

Each process says what was posted to all others, in one bus message on the group that all of them read: at once for
direct channels, else what came in SAY_S together. Each looks up its own followers and tells them: at once, or what came
in TELL_S together. What the bus lost is found by comparing with the store: of direct channels within DIRECT_ROUND_S, of
the others within ROUND_S. Who follows what is read when a user comes, again when the user's memberships change, and
once in ROUND_S. Flows: following.
"""

from __future__ import annotations

import asyncio
import logging
import time
from array import array
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from chat import selectors
from chat.delivery import wire
from chat.delivery.follows import Follows
from chat.delivery.hidings import readers_apart
from chat.delivery.hub import Hub
from chat.delivery.live_session import LiveSession
from chat.domain.events import Activity, ChannelData, Event, EventType, ReadUpdateData
from chat.domain.following import Follow, Level
from chat.domain.hiding import activity_seen
from chat.domain.ids import ChannelKey, UserId
from chat.domain.rules import is_direct_key
from chat.live.rounds import TICK_S, Round
from chat.selectors import Read, Tally
from reaktor.db.database import Database
from reaktor.errors import ReaktorError

logger = logging.getLogger(__name__)

SAY_S = 0.1
TELL_S = 0.25
DIRECT_ROUND_S = 4.0
ROUND_S = 45.0
"""Less than the minute that is promised, for a store that is slow."""
ON_ITS_WAY_S = 0.5
"""What the store shows to be newer than what was told is on its way for so long, mostly."""
RECENT_S = 10.0
MAX_RECENT = 10_000
"""Activities that are remembered for sessions which were starting. Without room for them the store is asked."""
USERS_TOGETHER = 100

_MEMBERSHIP = frozenset({EventType.CHANNEL_ADDED, EventType.CHANNEL_REMOVED, EventType.LEVEL_CHANGED})


class Activities:
    """posted(), changed(): what this process did; on_body(): what others did; begin(), started(), end(): who is here.

    run() is owned by the runtime. `say` puts a body on the group of all processes; None: there are no others.
    """

    def __init__(self, hub: Hub, database: Database, say: Callable[[Mapping[str, Any]], None] | None) -> None:
        self._hub = hub
        self._database = database
        self._say = say
        self.follows = Follows()
        self._unsaid: dict[ChannelKey, Activity] = {}
        self._untold: dict[ChannelKey, Activity] = {}
        self._recent: OrderedDict[ChannelKey, tuple[float, Activity]] = OrderedDict()
        self._forgotten_at = 0.0
        self._changed: OrderedDict[UserId, float] = OrderedDict()
        # By user: in which channels they were told that they follow them, or no longer; None: of nothing.
        self._to_read: dict[UserId, dict[ChannelKey, bool] | None] = {}
        self._has_to_read = asyncio.Event()
        self._is_gap = False
        self._tallies: dict[UserId, Tally] = {}
        self._to_count: set[UserId] = set()
        # Hashes of what was greeted with, or found at the last look: a hundredth of what the shapes take.
        self._reads: dict[UserId, array[int]] = {}

    # -- What happened ----------------------------------------------------------------------------------------

    def posted(self, activities: Sequence[Activity]) -> None:
        """The newest messages of channels, as this process stored them."""
        for activity in activities:
            self._take(activity)
        if self._say is None:
            return
        at_once = [each for each in activities if is_direct_key(each.channel)]
        if at_once:
            self._say(wire.activities_body(at_once))
        for each in activities:
            if not is_direct_key(each.channel):
                if not self._unsaid:
                    asyncio.get_running_loop().call_later(SAY_S, self._say_rest, self._say)
                _merge(self._unsaid, each)

    def changed(self, events: Sequence[Event]) -> None:
        """Messages of one channel changed. Of its newest one the followers are told."""
        newest = wire.newest_activity(events)
        if newest is not None:
            self.posted([newest])

    def on_body(self, body: Mapping[str, Any]) -> None:
        """What another process said. Raises ValueError, KeyError or TypeError on junk."""
        for activity in wire.activities_from_body(body):
            self._take(activity)

    def call(self, event: Event, only: Collection[UserId] | None, but: Collection[UserId]) -> None:
        """A message calls those who follow its channel: tell `only` these (None: all of them), but for some."""
        if event.channel is None:
            return
        called = [
            user_id
            for shows_last in (True, False)
            for user_id in self.follows.followers(event.channel, shows_last=shows_last)
            if user_id not in but and (only is None or user_id in only)
        ]
        self._hub.to_sessions(event, [each for user_id in called for each in self._hub.sessions_of(user_id)])

    def on_gap(self) -> None:
        """The bus lost something: compare all of it at the next tick."""
        self._is_gap = True

    def _say_rest(self, say: Callable[[Mapping[str, Any]], None]) -> None:
        unsaid, self._unsaid = self._unsaid, {}
        say(wire.activities_body(unsaid.values()))

    def _take(self, activity: Activity) -> None:
        key, number = activity.channel, activity.head["number"]
        if activity.is_new:
            self._remember(activity)
        told = self.follows.told(key)
        if told is None or (number <= told if activity.is_new else number != told):
            return
        self.follows.tell(key, number)
        if is_direct_key(key):
            self._tell(activity)
            return
        if not self._untold:
            asyncio.get_running_loop().call_later(TELL_S, self._tell_rest)
        _merge(self._untold, activity)

    def _remember(self, activity: Activity) -> None:
        now = time.monotonic()
        self._recent[activity.channel] = (now, activity)
        self._recent.move_to_end(activity.channel)
        at = next(iter(self._recent.values()))[0]
        if len(self._recent) > MAX_RECENT or at < now - RECENT_S:
            self._recent.popitem(last=False)
            self._forgotten_at = at

    def _tell_rest(self) -> None:
        untold, self._untold = self._untold, {}
        for activity in untold.values():
            self._tell(activity)

    def _tell_one(self, user_id: UserId, activity: Activity) -> None:
        activity = activity_seen(activity, self._hub.hidings.of(user_id, activity.channel))
        shows_last = user_id in self.follows.followers(activity.channel, shows_last=True)
        self._hub.to_followers(wire.channel_activity(activity, shows_last=shows_last), [user_id])

    def _tell(self, activity: Activity) -> None:
        for shows_last in (True, False):
            followers = self.follows.followers(activity.channel, shows_last=shows_last)
            if not followers:
                continue
            hidden = self._hub.hidings.in_channel(activity.channel)
            if hidden is None:
                self._hub.to_followers(wire.channel_activity(activity, shows_last=shows_last), followers)
                continue
            for names, readers in readers_apart(followers, hidden).items():
                seen = activity_seen(activity, names)
                self._hub.to_followers(wire.channel_activity(seen, shows_last=shows_last), readers)

    # -- Who is here ------------------------------------------------------------------------------------------

    def begin(self, user_id: UserId, follows: Iterable[Follow], began: float) -> None:
        """A user's session came; the store, asked at `began` (monotonic seconds), says that they follow these."""
        before = self.follows.of(user_id)
        self.follows.put(user_id, follows)
        now = self.follows.of(user_id)
        # Another session that is here may not have heard what this one was greeted with.
        told = (
            {key: key in before for key in before.keys() ^ now.keys()}
            if len(self._hub.sessions_of(user_id)) > 1
            else {}
        )
        if told or self._changed.get(user_id, began) > began:
            self.read(user_id, told)

    def started(
        self, session: LiveSession, seen: Mapping[ChannelKey, int], greeted: Sequence[ChannelData], began: float
    ) -> None:
        """A session was greeted with these channels, of all whose newest messages had the numbers `seen`, read since
        `began`: tell it what came meanwhile.
        """
        shown = array("q", [_shown(ChannelKey(each["key"]), each) for each in greeted])
        before = self._reads.get(session.user.id)
        # Where the greeting and the last look differ the next look tells all sessions.
        self._reads[session.user.id] = shown if before is None else array("q", set(before) & set(shown))
        missed = []
        for key in self.follows.channels_of(session.user.id):
            at, activity = self._recent.get(key, (0.0, None))
            if activity is not None and at >= began and activity.head["number"] > seen.get(key, 0):
                missed.append(activity)
        for activity in missed:
            self._tell_one(session.user.id, activity)
        if self._forgotten_at > began:
            for key, number in seen.items():
                if (told := self.follows.told(key)) is not None and number < told:
                    self.follows.tell(key, number)
            self.on_gap()

    def end(self, user_id: UserId) -> None:
        """The user's last session of this process is gone."""
        self.follows.drop(user_id)
        self._tallies.pop(user_id, None)
        self._reads.pop(user_id, None)

    def on_user_event(self, user_id: UserId, event: Event) -> None:
        """The user was told of an event: where it says that they follow something else now, that is read again."""
        if event.type not in _MEMBERSHIP or event.channel is None:
            return
        now = time.monotonic()
        self._changed[user_id] = now
        self._changed.move_to_end(user_id)
        while len(self._changed) > MAX_RECENT or next(iter(self._changed.values())) < now - ROUND_S:
            self._changed.popitem(last=False)
        if event.type is EventType.CHANNEL_REMOVED:
            # What is read may be a moment late, and they may not be told any more.
            self.follows.drop(user_id, event.channel)
        if event.type is EventType.LEVEL_CHANGED:
            self.count(user_id)  # who is called has it unread, but for those who are told nothing
        self.read(user_id, {event.channel: event.data.get("level", Level.NOTHING) != Level.NOTHING})

    def read(self, user_id: UserId, told: dict[ChannelKey, bool] | None = None) -> None:
        """Read what the user follows, soon. `told`: whether they were told to follow these channels, or follow them no
        longer. Words of two processes may overtake each other, so who was told wrong is told again.
        """
        if self._hub.sessions_of(user_id):
            before = self._to_read.get(user_id)
            self._to_read[user_id] = before if told is None else (before or {}) | told
            self._has_to_read.set()

    def count(self, user_id: UserId) -> None:
        """Tell the user at the next tick what is unread, where that is another count now."""
        self._to_count.add(user_id)

    # -- Kept right by the store ------------------------------------------------------------------------------

    async def run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read_follows(), name="activity: who follows what")
            tasks.create_task(self._compare(), name="activity: compare")

    async def _read_follows(self) -> None:
        while True:
            await self._has_to_read.wait()
            users = list(self._to_read)[:USERS_TOGETHER]
            try:
                found = await self._database.read(selectors.follows_of, users)
            except ReaktorError:
                await asyncio.sleep(TICK_S)
                continue
            told = {user_id: self._to_read.pop(user_id, None) for user_id in users}
            if not self._to_read:
                self._has_to_read.clear()
            for user_id, follows in found.items():
                with suppress(ReaktorError):  # the next greeting shows what this one is not told
                    await self._put(user_id, follows, told[user_id])

    async def _put(self, user_id: UserId, follows: Sequence[Follow], told: Mapping[ChannelKey, bool] | None) -> None:
        """The user follows these. Where they were told otherwise, or where otherwise was known here, they are told so.

        Raises UnavailableError.
        """
        if not self._hub.sessions_of(user_id):
            self.follows.drop(user_id)
            return
        before = self.follows.of(user_id)
        self.follows.put(user_id, follows)
        now = {each.channel: each.shows_last for each in follows}
        told = told or {}
        known = {key: told.get(key, key in before) for key in before.keys() | now.keys() | told.keys()}
        wrong = [key for key, is_followed in known.items() if is_followed is not (key in now)]
        wrong += [key for key in before.keys() & now.keys() if key not in told and before[key] is not now[key]]
        if wrong:
            await self._tell_channels(user_id, wrong)
        # What was said there between the word that they follow it and now was told to nobody.
        if new := [key for key in now if key not in before and key not in wrong]:
            for activity in await self._database.read(selectors.activities_of, new):
                self._tell_one(user_id, activity)

    async def _tell_channels(self, user_id: UserId, keys: Sequence[ChannelKey]) -> None:
        """Tell the user which of these channels they belong to, and how. Raises UnavailableError."""
        for session in self._hub.sessions_of(user_id)[:1]:
            found = await self._database.read(selectors.channels_access, user=session.user, keys=keys)
            mine = {each.channel.key: each for each in found if each.access.role is not None}
            for key in keys:
                event = Event(EventType.CHANNEL_REMOVED, key, {})
                if key in mine:
                    event = Event(EventType.CHANNEL_ADDED, key, selectors.channel_data(mine[key], online=0))
                self._hub.to_sessions(event, self._hub.sessions_of(user_id))

    async def _compare(self) -> None:
        direct = Round(DIRECT_ROUND_S, lambda: self.follows.channels(direct=True))
        others = Round(ROUND_S, lambda: self.follows.channels(direct=False))
        users = Round(ROUND_S, self.follows.users)
        while True:
            await asyncio.sleep(TICK_S)
            keys = [*direct.next(), *others.next()]
            whose = users.next()
            has_gap, self._is_gap = self._is_gap, False
            if has_gap:
                keys = [*self.follows.channels(direct=True), *self.follows.channels(direct=False)]
                whose = self.follows.users()
            for user_id in whose:
                self.read(user_id)
            try:
                await self._tell_what_is_newer(keys)
                counted, self._to_count = self._to_count, set()
                moved = self.follows.users() if has_gap else await self._moved(whose)
                await self._tell_reads(list({*moved, *counted}))
            except ReaktorError:
                self._is_gap = True

    async def _tell_what_is_newer(self, keys: Sequence[ChannelKey]) -> None:
        """Raises UnavailableError."""
        if not keys:
            return
        stored = await self._database.read(selectors.channel_numbers, keys)
        if not self._newer(stored):
            return
        await asyncio.sleep(ON_ITS_WAY_S)
        newer = self._newer(stored)
        if newer:
            for activity in await self._database.read(selectors.activities_of, newer):
                self._take(activity)
            # With the activity a mention was lost, too.
            users = {
                user
                for key in newer
                for shown in (True, False)
                for user in self.follows.followers(key, shows_last=shown)
            }
            await self._tell_reads(list(users))

    async def _moved(self, users: Sequence[UserId]) -> list[UserId]:
        """Those whose markers, or unread mentions, are others than they were a round ago. Raises UnavailableError."""
        moved = []
        for start in range(0, len(users), USERS_TOGETHER):
            tallies = await self._database.read(selectors.tallies_of, users[start : start + USERS_TOGETHER])
            moved += [user_id for user_id, tally in tallies.items() if self._tallies.get(user_id) != tally]
            self._tallies |= {each: tally for each, tally in tallies.items() if self._hub.sessions_of(each)}
        return moved

    async def _tell_reads(self, users: Sequence[UserId]) -> None:
        """Tell users where their markers stand and what is unread, in the channels where that is not as it was at the
        last look. Raises UnavailableError.
        """
        for start in range(0, len(users), USERS_TOGETHER):
            found = await self._database.read(selectors.reads_of, users[start : start + USERS_TOGETHER])
            for user_id, reads in found.items():
                self._tell_read(user_id, reads)

    def _tell_read(self, user_id: UserId, reads: Sequence[Read]) -> None:
        sessions = self._hub.sessions_of(user_id)
        if not sessions:
            return
        known, now = set(self._reads.get(user_id, ())), array("q")
        for channel, data in reads:
            now.append(_shown(channel, data))
            if now[-1] not in known:
                self._hub.to_sessions(Event(EventType.READ_UPDATED, channel, data), sessions)
        self._reads[user_id] = now

    def _newer(self, stored: Mapping[ChannelKey, int]) -> list[ChannelKey]:
        told = {key: self.follows.told(key) for key in stored}
        return [key for key, number in stored.items() if (known := told[key]) is not None and known < number]


def _shown(channel: ChannelKey, data: ChannelData | ReadUpdateData) -> int:
    """A hash of a marker. Without the head: how far a channel has come is told by activities."""
    return hash((channel, data["read_number"], data["read_rev"], data["own"], data["mentions"]))


def _merge(waiting: dict[ChannelKey, Activity], activity: Activity) -> None:
    """What waits of a channel is what is newest of it."""
    before = waiting.get(activity.channel)
    if before is None or before.head["number"] < activity.head["number"]:
        waiting[activity.channel] = activity
    elif before.head["number"] == activity.head["number"] and before.head["seq"] < activity.head["seq"]:
        waiting[activity.channel] = activity._replace(is_new=before.is_new)
