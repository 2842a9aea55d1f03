"""Endings: how a session ends, lingers, is kept, and is taken over by the user's next one.

The part of MembershipState that carries the grace: a lost connection or a dead worker starts it, a goodbye skips it.
Pure; every change goes through the state's `make`, which applies and numbers it at once; `now` is an argument.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from chat.domain.ids import ChannelKey, SessionId, UserId, WorkerId
from chat.domain.sessions import LeftReason, SessionInfo
from chat.membership.keep import EndedIds, Kept, KeptSessions, SilentSessions
from chat.membership.places import Place
from chat.membership.protocol import Change, Connected, Disconnected, Left, Lingering
from chat.membership.roster import Roster, SessionEntry
from chat.membership.whole import Whole
from reaktor.errors import CloseCode

# How long a session that took another over is still caught up from that one's heads, not from its worker's.
YOUNG_S = 2.0
LATE_S = 60.0
"""How much later than its client came back a loss may be noticed: longer than anybody's heartbeats take."""


class Endings:
    """The sessions that linger, the kept ones, the ids that are over, and the heads that BEATs told."""

    def __init__(self, roster: Roster, make: Callable[[Change], None]) -> None:
        self._roster = roster
        self._make = make
        self.kept = KeptSessions()
        self.ended = EndedIds()
        self._silent = SilentSessions()
        self.heads: dict[WorkerId, dict[ChannelKey, int]] = {}
        self._joined_at: dict[SessionId, dict[ChannelKey, int]] = {}
        self._last: dict[SessionId, Mapping[ChannelKey, int]] = {}
        self._linger_ends: list[tuple[float, SessionId]] = []

    def take_back(self, whole: Whole) -> None:
        """Remember what that says, where nothing is remembered; the roster shows its sessions already."""
        for kept in whole.kept:
            self.kept.put(kept)
        self.ended.put_back(whole.ended)
        self._silent.put_back(whole.silent)
        self.heads.update(whole.heads)
        self._joined_at.update(whole.joined_at)
        for session_id, entry in self._roster.sessions.items():
            if entry.lingering_until is not None:
                heapq.heappush(self._linger_ends, (entry.lingering_until, session_id))

    def remembered(self, shown: Whole) -> Whole:
        """The same, with what is remembered here beside what is shown."""
        return replace(
            shown,
            kept=tuple(replace(each, heads=dict(each.heads)) for each in self.kept.by_id.values()),
            ended=self.ended.all(),
            silent=self._silent.all(),
            heads=tuple((worker, dict(heads)) for worker, heads in self.heads.items()),
            joined_at=tuple((session_id, dict(heads)) for session_id, heads in self._joined_at.items()),
        )

    def note_joined(self, entry: SessionEntry, channel: ChannelKey, head: int) -> None:
        """Where the channel was when the session joined: all there is to go by until its worker's next BEAT."""
        if entry.info.grace.keep_s > 0:
            self._joined_at.setdefault(entry.info.session_id, {})[channel] = head

    def note_last(self, session_id: SessionId, heads: Mapping[ChannelKey, int]) -> None:
        """What a live session was sent when its connection ended: its worker may die before it can say more."""
        self._last[session_id] = heads

    def lose(self, entry: SessionEntry, heads: Mapping[ChannelKey, int], now: float) -> None:
        """The session ended without a goodbye: it lingers and is kept, as its transport's grace has it."""
        info = entry.info
        self._keep(entry, heads, now)
        if info.grace.quit_s > 0:
            heapq.heappush(self._linger_ends, (now + info.grace.quit_s, info.session_id))
            self._make(Lingering(info.session_id, now + info.grace.quit_s))
        else:
            self._quit(entry, now)

    def still_due(self, entry: SessionEntry, now: float) -> Mapping[ChannelKey, int]:
        """From where a session is to be caught up that took another one over and never came to its client.

        Its worker gave up waiting for the outcome of its Connect, so it can say no heads when it ends it.
        """
        return entry.heads if now - entry.info.since < LATE_S else {}

    def note_silent(self, entries: Iterable[SessionEntry], now: float) -> None:
        """These are about to be lost as nothing is heard of their worker: they may be there still."""
        for entry in entries:
            self._silent.add(entry.info, now)

    def is_silent(self, session_id: SessionId) -> bool:
        """Whether it was lost with its host, and its place is still its own."""
        return session_id in self._silent

    def bring_back(self, session_id: SessionId) -> None:
        """It is there: it was not lost, and nothing of it need be kept."""
        self._silent.forget(session_id)
        self.ended.forget(session_id)
        self.kept.pop(session_id)

    def call_back(self, lost: SessionInfo, now: float) -> None:
        """A loss may be noticed late, with its client here again, in no channel. It is told to come, and gets this one.

        Each of its sessions is: it may have come several times, and which of these is still there nobody knows. So is a
        new client that is taken for it, once: nothing that it has is lost by that.
        """
        kept = self.kept.by_id.get(lost.session_id)
        user = self._roster.users.get(lost.user_id)
        if kept is None or user is None or not self._has_channels(kept):
            return
        for entry in list(user.sessions.values()):
            is_new = entry.is_live and not entry.channels
            if is_new and now - entry.info.since <= LATE_S and kept.is_missed_by(entry.info):
                self._quit(entry, now, CloseCode.RESYNC_NEEDED.value, "the session before this one has ended only now")

    def note_end(self, session_id: SessionId, heads: Mapping[ChannelKey, int], now: float) -> None:
        """A session that is over says how it ended: its heads are better than those that were known."""
        self._silent.forget(session_id)
        self.ended.add(session_id, now)
        self.better_heads(session_id, heads)

    def better_heads(self, session_id: SessionId, heads: Mapping[ChannelKey, int]) -> None:
        """What a session that was lost says itself that it was sent is better than what was known."""
        if (kept := self.kept.by_id.get(session_id)) is not None:
            lingering = self._roster.sessions.get(session_id)
            channels = kept.channels if lingering is None else lingering.channels
            kept.heads.update((channel, head) for channel, head in heads.items() if channel in channels)

    def put_back(self, place: Place, now: float, *, copied_to: SessionId | None = None) -> None:
        """Keep a session that was lost under another authority, as if it had been lost under this one."""
        info = place.session
        # Not later than now, though the clock of its host may say so.
        lost_at = None if place.lost_at is None else min(place.lost_at, now)
        if lost_at is None or info.session_id in self._roster.sessions or info.session_id in self.kept.by_id:
            return
        until, quits_at = lost_at + place.keep_s, lost_at + info.grace.quit_s
        if until <= now:
            return
        channels = frozenset(place.heads)
        heads = {channel: head for channel, head in place.heads.items() if head is not None}
        kept = Kept(info, heads, lost_at, until, place.status, channels, copied_to=copied_to)
        self.kept.put(kept)
        # Its worker may live, on another host than the authority before: then its Hello says so.
        self._silent.add(info, now)
        if copied_to is not None:
            self.kept.keep_for_its_name(kept)
        if copied_to is not None or quits_at <= now:
            self.ended.add(info.session_id, now)
            return
        self._make(Connected(info, channels, status=place.status))
        self._make(Lingering(info.session_id, quits_at))
        heapq.heappush(self._linger_ends, (quits_at, info.session_id))

    def end(
        self,
        entry: SessionEntry,
        now: float,
        reason: LeftReason = LeftReason.QUIT,
        close_code: int | None = None,
        close_reason: str = "",
    ) -> None:
        """The session is over for good: nothing of it is kept."""
        session_id = entry.info.session_id
        self.kept.pop(session_id)
        self._silent.forget(session_id)
        self._joined_at.pop(session_id, None)
        self._last.pop(session_id, None)
        self.ended.add(session_id, now)
        self._make(Disconnected(session_id, reason, close_code, close_reason))

    def recall_user(self, user_id: UserId, now: float, close_code: int, close_reason: str) -> None:
        """Every session of the user ends and is told to come back: others are told at once, the places are kept."""
        self._silent.forget_user(user_id)
        if (user := self._roster.users.get(user_id)) is None:
            return
        for entry in list(user.sessions.values()):
            if entry.is_live:
                self._keep(entry, {}, now)
            self._quit(entry, now, close_code, close_reason)

    def end_user(self, user_id: UserId, now: float, reason: LeftReason, close_code: int, close_reason: str) -> None:
        """Every session of the user is over for good, and told why; the kept ones are forgotten."""
        self._silent.forget_user(user_id)
        if (user := self._roster.users.get(user_id)) is not None:
            for entry in list(user.sessions.values()):
                self.end(entry, now, reason, close_code, close_reason)
        for kept in self.kept.of_user(user_id):
            self.kept.pop(kept.session.session_id)

    def take_out(self, user_id: UserId, channel: ChannelKey, text: str) -> None:
        """The user is taken out of the channel, and no later session is put back into it."""
        if (user := self._roster.users.get(user_id)) is not None:
            for session_id, entry in user.sessions.items():
                if channel in entry.channels:
                    self._make(Left(session_id, channel, LeftReason.REMOVED, text))
        self.kept.forget_channel(user_id, channel)

    def take_over(self, info: SessionInfo, resume: SessionId | None, now: float) -> Kept | None:
        """What a new session inherits: one lingering or kept session of its user, with its channels, heads, status.

        The caller must say Connected with it: to everybody else the old one ends only by that.
        """
        if resume is None:
            kept = self.kept.likeliest(info, self._has_channels)
        else:
            kept = self.kept.named(info.user_id, resume)
        if kept is None:
            return None
        old_id = kept.session.session_id
        self._silent.forget(old_id)
        if (lingering := self._roster.sessions.get(old_id)) is not None:
            self.ended.add(old_id, now)
            kept.channels, kept.status = frozenset(lingering.channels), lingering.status
        if resume is None and kept.may_be_named:
            kept.copied_to = info.session_id
            self.kept.keep_for_its_name(kept)
        else:
            self.kept.pop(old_id)
        return kept

    def guess_again(self, named: Kept, now: float) -> None:
        """The client that this session belongs to has it back. Was another one given a copy, and waits there a session
        that can be its own? Then it is told to come back, and gets that. The place that it had is kept for its name.
        """
        entry = None if named.copied_to is None else self._roster.sessions.get(named.copied_to)
        if entry is None or not entry.is_live or self.kept.likeliest(entry.info, self._has_channels) is None:
            return
        self._keep(entry, {}, now)
        self._quit(entry, now, CloseCode.RESYNC_NEEDED.value, "these were the channels of another client of yours")
        if (kept := self.kept.by_id.get(entry.info.session_id)) is not None:
            self.kept.keep_for_its_name(kept)

    def tick(self, now: float) -> None:
        """End what has lingered long enough, forget what was kept long enough."""
        while self._linger_ends and self._linger_ends[0][0] <= now:
            until, session_id = heapq.heappop(self._linger_ends)
            entry = self._roster.sessions.get(session_id)
            if entry is not None and entry.lingering_until == until:
                self._quit(entry, now)
        self.kept.sweep(now)
        self.ended.sweep(now)
        self._silent.sweep(now)

    def _keep(self, entry: SessionEntry, heads: Mapping[ChannelKey, int], now: float) -> None:
        info = entry.info
        keep_s = max(info.grace.keep_s, info.grace.quit_s)
        if keep_s > 0:
            self.kept.put(Kept(info, self._heads_of(entry, heads, now), now, now + keep_s))
        self._joined_at.pop(info.session_id, None)
        self._last.pop(info.session_id, None)

    def _has_channels(self, kept: Kept) -> bool:
        lingering = self._roster.sessions.get(kept.session.session_id)
        return bool(kept.channels if lingering is None else lingering.channels)

    def _quit(self, entry: SessionEntry, now: float, close_code: int | None = None, close_reason: str = "") -> None:
        """The grace is over, or there was none: others are told; what is kept is kept on."""
        session_id = entry.info.session_id
        if (kept := self.kept.by_id.get(session_id)) is not None:
            kept.channels, kept.status = frozenset(entry.channels), entry.status
        self._last.pop(session_id, None)
        self.ended.add(session_id, now)
        self._make(Disconnected(session_id, LeftReason.QUIT, close_code, close_reason))

    def _heads_of(self, entry: SessionEntry, said: Mapping[ChannelKey, int], now: float) -> dict[ChannelKey, int]:
        """The last seq the session was sent, per channel: as it said itself, else as its worker's BEATs tell.

        A young session that took another over may still have been on its way up from that one's heads; telling it
        a little twice is harmless, leaving out is not.
        """
        said = said or self._last.get(entry.info.session_id, {})
        beaten: Mapping[ChannelKey, int] = self.heads.get(entry.info.worker, {})
        is_young = entry.took_over is not None and now - entry.info.since < YOUNG_S
        joined_at = self._joined_at.get(entry.info.session_id, {})
        sources = (said, entry.heads, beaten, joined_at) if is_young else (said, beaten, entry.heads, joined_at)
        found: dict[ChannelKey, int] = {}
        for channel in entry.channels:
            for source in sources:
                if channel in source:
                    found[channel] = source[channel]
                    break
        return found
