"""The hub: the live sessions of this process only, by id, user and channel, and what is written to them.

Events come in, frames go out: encoded once per wire format, appended to each session's outbox, and written once per
loop turn by flush(), which the runtime schedules through `on_dirty`. Presence and typing are not worth a write to each
member of a channel: they wait for whatever else is written, or for flush_deferred(), scheduled through `on_deferred`.
Pure; never waits for a client. A session whose unsent bytes pass half of the bound is spared presence and typing; past
it, it is told 4002 and closed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Set

from chat.delivery.feed import Delivery
from chat.delivery.hidings import Hidings
from chat.delivery.live_session import Batch, Frame, LiveSession, WireFormat
from chat.domain.events import SKIPPABLE, Event
from chat.domain.hiding import NOBODY, Names, event_seen
from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.sessions import Transport
from reaktor.errors import Bye, CloseCode

Members = dict[WireFormat, dict[SessionId, LiveSession]]


class Hub:
    """attach, enter, deliver, flush. `on_dirty` is called once when the first frame of a loop turn is waiting.

    `on_deferred` is called once when the first frame waits that may wait; None: none of them waits longer than others.
    `on_moved` is called with each session that is in other channels than before. `hidings`: from which users whose
    words are hidden, for those who write to them.
    """

    def __init__(
        self,
        *,
        unsent_bytes: int,
        on_dirty: Callable[[], None],
        on_deferred: Callable[[], None] | None = None,
        on_moved: Callable[[LiveSession], None] = lambda session: None,
    ) -> None:
        self._unsent_bytes = unsent_bytes
        self._on_dirty = on_dirty
        self._on_deferred = on_deferred
        self._on_moved = on_moved
        self._sessions: dict[SessionId, LiveSession] = {}
        self._by_user: dict[UserId, dict[SessionId, LiveSession]] = {}
        self._by_channel: dict[ChannelKey, Members] = {}
        self._dirty: dict[SessionId, LiveSession] = {}
        self._deferred: dict[SessionId, LiveSession] = {}
        self.hidings = Hidings()
        self.deliveries_total = 0
        self.slow_total = 0
        self.joins_total = 0
        self.by_transport = dict.fromkeys(Transport, 0)

    # -- Who is here ------------------------------------------------------------------------------------------

    def attach(self, session: LiveSession) -> None:
        """A session is live in this process."""
        if session.info.session_id not in self._sessions:
            self.by_transport[session.info.transport] += 1
        self._sessions[session.info.session_id] = session
        self._by_user.setdefault(session.info.user_id, {})[session.info.session_id] = session

    def detach(self, session: LiveSession) -> list[ChannelKey]:
        """A session is gone; returns the channels it was in. May be repeated."""
        session_id = session.info.session_id
        if self._sessions.pop(session_id, None) is None:
            return []
        self.by_transport[session.info.transport] -= 1
        mine = self._by_user[session.info.user_id]
        del mine[session_id]
        if not mine:
            del self._by_user[session.info.user_id]
        left = list(session.channels)
        for key in left:
            self.exit(session, key)
        self._dirty.pop(session_id, None)
        self._deferred.pop(session_id, None)
        return left

    def enter(self, session: LiveSession, key: ChannelKey) -> None:
        """From now on the session is sent what happens in the channel. May be repeated."""
        self.joins_total += key not in session.channels
        session.channels.add(key)
        members = self._by_channel.setdefault(key, {})
        members.setdefault(session.format, {})[session.info.session_id] = session
        self._on_moved(session)

    def exit(self, session: LiveSession, key: ChannelKey) -> None:
        """The session is sent nothing more from the channel. May be repeated."""
        session.channels.discard(key)
        self._on_moved(session)
        members = self._by_channel.get(key)
        if members is None or session.format not in members:
            return
        members[session.format].pop(session.info.session_id, None)
        if not members[session.format]:
            del members[session.format]
        if not members:
            del self._by_channel[key]

    def get(self, session_id: SessionId) -> LiveSession | None:
        return self._sessions.get(session_id)

    def session_ids(self) -> Set[SessionId]:
        """Of the sessions that are here now; it changes with them."""
        return self._sessions.keys()

    def sessions(self) -> list[LiveSession]:
        return list(self._sessions.values())

    def sessions_of(self, user_id: UserId) -> list[LiveSession]:
        return list(self._by_user.get(user_id, {}).values())

    def members(self, key: ChannelKey) -> list[LiveSession]:
        """The local sessions in a channel."""
        return [session for group in self._by_channel.get(key, {}).values() for session in group.values()]

    def has_members(self, key: ChannelKey) -> bool:
        return key in self._by_channel

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def has_unwritten(self) -> bool:
        """Whether a flush is on its way."""
        return bool(self._dirty)

    # -- What they are sent -----------------------------------------------------------------------------------

    def deliver(self, deliveries: Iterable[Delivery]) -> None:
        """Durable events, in order, to the members of their channels; the origin is acknowledged in their place."""
        for delivery in deliveries:
            self.to_channel(delivery.event, exclude=delivery.origin)
            if delivery.acknowledge is not None:
                delivery.acknowledge()

    def to_channel(self, event: Event, *, exclude: SessionId | None = None, about: UserId | None = None) -> None:
        """One event to the local members of its channel; `about` whom it is, where formats spare those themselves."""
        if event.channel is None:
            return
        for wire_format, group in self._by_channel.get(event.channel, {}).items():
            if about is not None and not wire_format.tells_own_presence:
                group = {key: session for key, session in group.items() if session.info.user_id != about}
            self._write(wire_format, group, event, exclude)

    def deliver_apart(self, deliveries: Iterable[Delivery], hidden: Mapping[UserId, Names]) -> None:
        """deliver() in a channel where something may be hidden from these users."""
        for delivery in deliveries:
            self.to_channel_apart(delivery.event, hidden, exclude=delivery.origin)
            if delivery.acknowledge is not None:
                delivery.acknowledge()

    def to_channel_apart(
        self, event: Event, hidden: Mapping[UserId, Names], *, exclude: SessionId | None = None
    ) -> None:
        """One event to the local members of its channel, to each as they see it."""
        if event.channel is None:
            return
        for wire_format, group in self._by_channel.get(event.channel, {}).items():
            apart: dict[Names, dict[SessionId, LiveSession]] = {}
            for session_id, session in group.items():
                apart.setdefault(hidden.get(session.info.user_id, NOBODY), {})[session_id] = session
            for names, readers in apart.items():
                if (seen := event_seen(event, names)) is not None:
                    self._write(wire_format, readers, seen, exclude)

    def to_sessions(self, event: Event, sessions: Iterable[LiveSession]) -> None:
        """One event to these sessions."""
        groups: Members = {}
        for session in sessions:
            if not session.is_starting:
                groups.setdefault(session.format, {})[session.info.session_id] = session
        for wire_format, group in groups.items():
            self._write(wire_format, group, event, None)

    def to_followers(self, event: Event, users: Iterable[UserId]) -> None:
        """One event about a channel to the sessions of these users that are not in it."""
        key = event.channel
        frames: dict[WireFormat, Frame | None] = {}
        told: dict[SessionId, LiveSession] = {}
        nobody: dict[SessionId, LiveSession] = {}
        by_user = self._by_user
        for user_id in users:
            for session_id, session in by_user.get(user_id, nobody).items():
                if key in session.channels or session.is_starting or key in session.waiting:
                    continue
                wire_format = session.format
                if wire_format not in frames:
                    frames[wire_format] = wire_format.encode(event)
                if (frame := frames[wire_format]) is not None:
                    session.outbox.append(frame)
                    told[session_id] = session
        self.deliveries_total += len(told)
        self._mark(told)

    def to_everybody(self, event: Event) -> None:
        self.to_sessions(event, self._sessions.values())

    def send(self, session: LiveSession, frame: Frame) -> None:
        """One ready-made frame (an answer) to one session, behind what is already waiting for it."""
        session.outbox.append(frame)
        self._mark({session.info.session_id: session})

    def replay(self, session: LiveSession, frames: Sequence[Frame]) -> None:
        """Ready-made frames of what the session missed, behind what is already waiting for it."""
        if frames:
            session.outbox += frames
            self.deliveries_total += len(frames)
            self._mark({session.info.session_id: session})

    def _write(
        self, wire_format: WireFormat, group: dict[SessionId, LiveSession], event: Event, exclude: SessionId | None
    ) -> None:
        frame = wire_format.encode(event)
        if frame is None:
            return
        is_skippable = event.type in SKIPPABLE
        if is_skippable:
            half = self._unsent_bytes // 2
            group = {key: session for key, session in group.items() if session.unsent_bytes <= half}
        for session in group.values():
            session.outbox.append(frame)
        self.deliveries_total += len(group)
        if exclude in group:
            group[exclude].outbox.pop()
            self.deliveries_total -= 1
        if is_skippable and self._on_deferred is not None:
            if not self._deferred and group:
                self._on_deferred()
            self._deferred.update(group)
        else:
            self._mark(group)

    def _mark(self, sessions: dict[SessionId, LiveSession]) -> None:
        if not self._dirty and sessions:
            self._on_dirty()
        self._dirty.update(sessions)

    def flush_deferred(self) -> None:
        """Write what waits, what may wait included."""
        self._dirty.update(self._deferred)
        self._deferred.clear()
        self.flush()

    def flush(self) -> None:
        """Write what waits: the frames of one loop turn joined, one write per session.

        Most sessions of one format wait for the same frames, and stand side by side: those are joined once.
        """
        dirty, self._dirty = self._dirty, {}
        bound = self._unsent_bytes
        joined: list[Frame] = []
        batch: Batch = b""
        for session in dirty.values():
            frames = session.outbox
            if not frames:
                continue
            session.outbox = []
            if frames != joined:
                joined, batch = frames, session.format.join(frames)
            if (unsent := session.unsent_bytes) and unsent + len(batch) > bound:
                self.slow_total += 1
                session.close(Bye(CloseCode.TOO_SLOW))
            else:
                session.write(batch)
