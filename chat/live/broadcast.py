"""Events of this process on their way out: to the own hub first, then over the bus to the other processes.

The writer's commits, services (through chat.publish) and actions hand events over here; one task publishes them in
order, all that wait at once. Where there are no other processes nothing is published. What the bus does not take is
logged, and the others are told so as soon as it takes something again: durable events are found by comparing heads,
what followers are told by chat.live.activity; other ephemeral ones are lost.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from chat.delivery import wire
from chat.delivery.feed import Delivery
from chat.delivery.hub import Hub
from chat.delivery.wire import Audience
from chat.domain.events import Event, EventType
from chat.domain.hiding import event_seen, is_hidden
from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.live.activity import Activities
from chat.live.feeds import Feeds
from chat.membership.wire import channel_group
from chat.posting.batches import Stored
from chat.posting.calling import Called
from chat.posting.writer import Committed
from reaktor.observe.metrics import SECONDS, Histogram
from reaktor.process.bus import Bus, BusError, Saying

logger = logging.getLogger(__name__)

QUEUE = 10_000
"""Bus messages waiting to be published; beyond it the newest is dropped, and readers compare heads."""
TOGETHER = 500
"""As many are published at once, and in one timeout."""


_ABOUT_CHANNELS = frozenset({EventType.CHANNEL_CREATED, EventType.CHANNEL_UPDATED, EventType.CHANNEL_ARCHIVED})


class Broadcast:
    """durable(), ephemeral(), stored(); run() is owned by the runtime.

    `channels_changed`: how often everybody was told of a public channel.
    """

    def __init__(
        self,
        bus: Bus,
        hub: Hub,
        feeds: Feeds,
        activities: Activities,
        *,
        is_alone: bool,
        is_elsewhere: Callable[[UserId, SessionId | None], bool] = lambda user_id, session_id: True,
    ) -> None:
        """`is_alone`: there is no other process, and there will be none. `activities` tells followers, and hands
        say_activities() what the other processes are to hear. `is_elsewhere`: whether a user has other sessions than
        that one.
        """
        self._bus = bus
        self._is_alone, self._is_elsewhere = is_alone, is_elsewhere
        self._hub = hub
        self._feeds = feeds
        self._activities = activities
        self._outgoing: asyncio.Queue[Saying] = asyncio.Queue(QUEUE)
        self.dropped_total = 0
        self.channels_changed = 0
        self.fanout_seconds = Histogram(SECONDS)
        self._unwritten: list[float] = []
        self._has_lost = False

    # -- Out --------------------------------------------------------------------------------------------------

    def stored(self, committed: Sequence[Committed]) -> None:
        """New messages of one commit: acknowledged and delivered in seq order; the mentioned are told, and who wrote
        them at several places of how far they have read.

        Repeats among them are acknowledged once the members here have been sent what lies below their seq.
        """
        by_channel: dict[ChannelKey, list[Delivery]] = {}
        repeated = [each for each in committed if each.stored.is_duplicate]
        committed = [each for each in committed if not each.stored.is_duplicate]
        for each in committed:
            event = wire.message_new(each.stored.message)
            delivery = Delivery(event, each.post.session_id, partial(each.on_result, each.stored))
            by_channel.setdefault(each.post.channel, []).append(delivery)
        for key, deliveries in by_channel.items():
            self._offer(key, deliveries)
        newest = {each.post.channel: each.stored.message for each in committed if each.stored.is_followed}
        self._activities.posted([wire.activity_of(message, is_new=True) for message in newest.values()])
        for each in repeated:
            acknowledge = partial(each.on_result, each.stored)
            self._feeds.when_reached(each.post.channel, each.stored.message["seq"], acknowledge)
        for each in committed:
            author, session_id = each.post.author.id, each.post.session_id
            for user_id in each.stored.mentioned:
                self.ephemeral(wire.mention(each.stored.message), Audience(user_id=user_id))
            if each.stored.followers:
                self._tell_thread(each.stored)
            if each.stored.called is not None:
                self._call(each.stored, each.stored.called)
            if each.stored.marker is not None and self._is_elsewhere(author, session_id):
                event = wire.read_updated(each.stored.message, each.stored.marker)
                self.ephemeral(event, Audience(user_id=author, exclude=session_id))

    def _tell_thread(self, stored: Stored) -> None:
        """Who follows a reply's thread, and has sessions elsewhere."""
        event = wire.thread_activity(stored.message)
        if event is not None:
            self._deliver_thread(event, stored.followers)
            if not self._is_alone:
                self._enqueue(
                    wire.EVERYBODY_GROUP, wire.THREAD_KIND, wire.thread_activity_body(event, stored.followers)
                )

    def _call(self, stored: Stored, called: Called) -> None:
        """Tell whom a message calls, in one bus message; who is named as well was told."""
        event, but = wire.mention(stored.message), called.but.union(stored.mentioned)
        self._activities.call(event, called.only, but)
        if not self._is_alone:
            self._enqueue(wire.EVERYBODY_GROUP, wire.CALL_KIND, wire.call_body(event, called.only, but))

    def durable(self, events: Sequence[Event]) -> None:
        """Durable events of one channel that a service committed."""
        if events and events[0].channel is not None:
            self._offer(events[0].channel, [Delivery(event) for event in events])
            self._activities.changed(events)

    def _offer(self, key: ChannelKey, deliveries: Sequence[Delivery]) -> None:
        at = time.time()
        self._deliver_durable(key, deliveries, at)
        if not self._is_alone:
            body = wire.durable_body([delivery.event for delivery in deliveries], at)
            self._enqueue(channel_group(key), wire.DURABLE_KIND, body)

    def _deliver_durable(self, key: ChannelKey, deliveries: Sequence[Delivery], committed_at: float) -> None:
        self._feeds.offer(key, deliveries)
        if self._hub.has_unwritten:
            self._unwritten.append(committed_at)

    def written(self) -> None:
        """The hub has just written everything: note how long that took from each commit (or its publication) on."""
        if self._unwritten:
            now = time.time()
            for committed_at in self._unwritten:
                self.fanout_seconds.observe(max(now - committed_at, 0.0))
            self._unwritten.clear()

    def __len__(self) -> int:
        """Bus messages that wait to be published."""
        return self._outgoing.qsize()

    def ephemeral(self, event: Event, audience: Audience) -> None:
        """An event that is not stored."""
        self._deliver(event, audience)
        if not self._is_alone:
            group = channel_group(audience.channel) if audience.channel is not None else wire.EVERYBODY_GROUP
            self._enqueue(group, wire.EPHEMERAL_KIND, wire.ephemeral_body(event, audience))

    def say_activities(self, body: Mapping[str, Any]) -> None:
        """To the other processes."""
        self._enqueue(wire.EVERYBODY_GROUP, wire.ACTIVITY_KIND, body)

    def _enqueue(self, group: str, kind: str, body: Mapping[str, Any]) -> None:
        try:
            self._outgoing.put_nowait(Saying(group, kind, body))
        except asyncio.QueueFull:
            self.dropped_total += 1
            self._has_lost = True

    async def run(self) -> None:
        """Publish until cancelled; one task, so that what this process says stays in order."""
        while True:
            sayings = [await self._outgoing.get()]
            while len(sayings) < TOGETHER and not self._outgoing.empty():
                sayings.append(self._outgoing.get_nowait())
            was_up = self._bus.is_up
            if self._has_lost:
                sayings.append(Saying(wire.EVERYBODY_GROUP, wire.GAP_KIND, {}))
            try:
                await self._bus.broadcast_all(sayings)
                self._has_lost = False
            except BusError as error:
                self._has_lost = True
                if was_up:
                    logger.warning("broadcast: the bus does not take %d events (%s)", len(sayings), error)

    # -- In ---------------------------------------------------------------------------------------------------

    def on_message(self, kind: str, body: Mapping[str, Any]) -> bool:
        """Take one message of the process's mailbox; whether it was an event. Raises ValueError and such on junk."""
        if kind == wire.DURABLE_KIND:
            events = wire.durable_from_body(body)
            if events and events[0].channel is not None:
                deliveries = [Delivery(event) for event in events]
                self._deliver_durable(events[0].channel, deliveries, wire.committed_at(body, time.time()))
        elif kind == wire.EPHEMERAL_KIND:
            if (found := wire.ephemeral_from_body(body)) is not None:
                self._deliver(*found)
        elif kind == wire.THREAD_KIND:
            self._deliver_thread(*wire.thread_activity_from_body(body))
        elif kind == wire.ACTIVITY_KIND:
            self._activities.on_body(body)
        elif kind == wire.CALL_KIND:
            self._activities.call(*wire.call_from_body(body))
        elif kind == wire.GAP_KIND:
            self._activities.on_gap()
        else:
            return False
        return True

    def _deliver_thread(self, event: Event, users: Sequence[UserId]) -> None:
        """To their sessions that are not in its channel, but for the author's, and of who has the author hidden."""
        assert event.channel is not None  # noqa: S101  a thread is in one
        author = event.data["author"]
        for user_id in users:
            mine = self._hub.sessions_of(user_id)
            if not mine or mine[0].user.username == author:
                continue
            names = self._hub.hidings.of(user_id, event.channel)
            if not is_hidden(author, names):
                self._hub.to_followers(event_seen(event, names) or event, [user_id])

    def _deliver(self, event: Event, audience: Audience) -> None:
        if audience.channel is not None:
            hidden = self._hub.hidings.in_channel(audience.channel)
            if hidden is None:
                self._hub.to_channel(event, exclude=audience.exclude)
            else:
                self._hub.to_channel_apart(event, hidden, exclude=audience.exclude)
        elif audience.user_id is not None:
            self._activities.on_user_event(audience.user_id, event)
            mine = self._hub.sessions_of(audience.user_id)
            self._hub.to_sessions(event, [each for each in mine if each.info.session_id != audience.exclude])
        else:
            if event.type in _ABOUT_CHANNELS:
                self.channels_changed += 1
            self._hub.to_everybody(event)
