"""From Transitions of the replica to what this process does: hub entries, and the presence events members see.

carry_out() is called by the follower, synchronously, in the loop turn in which a batch (or a snapshot's difference)
was applied. Flows: join, worker crash. Never waits; a session put into a channel whose feed is closed enters as soon
as a task of the runtime has opened it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from chat.delivery.hub import Hub
from chat.delivery.session import LiveSession
from chat.domain.events import Event, EventType, MessageData, event_from_message
from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.sessions import LeftReason
from chat.feeds import Feeds
from chat.membership.messages import (
    MemberJoined,
    MemberLeft,
    PresenceChanged,
    SessionEnded,
    SessionEntered,
    SessionExited,
    Transition,
)
from reaktor.errors import CloseCode, Disconnect, ReaktorError

logger = logging.getLogger(__name__)


class Presence:
    """Carries transitions out on the hub of this process."""

    def __init__(self, hub: Hub, feeds: Feeds, spawn: Callable[[Coroutine[Any, Any, None], str], None]) -> None:
        self._hub = hub
        self._feeds = feeds
        self._spawn = spawn

    def carry_out(self, transitions: Sequence[Transition]) -> None:
        """All of them, in order. Users who quit are told of once per session, after everything else."""
        quits: dict[UserId, list[MemberLeft]] = {}
        for transition in transitions:
            match transition:
                case SessionEntered(session_id, channel, after):
                    if (session := self._hub.get(session_id)) is not None:
                        self._enter(session, channel, after)
                case SessionExited(session_id, channel):
                    if (session := self._hub.get(session_id)) is not None:
                        session.waiting.pop(channel, None)
                        self._hub.exit(session, channel)
                case SessionEnded(session_id, code, reason_text):
                    session = self._hub.get(session_id)
                    if session is not None:
                        # Without a code the membership has simply lost it (a resync); its client comes back to sync.
                        ended = CloseCode(code) if code is not None else CloseCode.RESYNC_NEEDED
                        session.close(Disconnect(ended, reason_text or None))
                case MemberJoined(channel, _, username, status):
                    data = {"username": username, "status": status.value}
                    self._hub.to_channel(Event(EventType.MEMBER_JOINED, channel, data))
                case MemberLeft(channel, user_id, username, reason):
                    data = {"username": username, "reason": reason.value}
                    self._hub.to_channel(Event(EventType.MEMBER_LEFT, channel, data))
                    if reason is LeftReason.QUIT:
                        quits.setdefault(user_id, []).append(transition)
                case PresenceChanged(user_id, username, status, channels):
                    for channel in channels:
                        data = {"username": username, "status": status.value}
                        self._hub.to_channel(Event(EventType.PRESENCE_CHANGED, channel, data), about=user_id)
        for left in quits.values():
            self._tell_quit(left)

    def start(self, session: LiveSession) -> None:
        """The session was greeted: what the membership put it into meanwhile is delivered from now on."""
        session.is_starting = False
        waiting, session.waiting = session.waiting, {}
        for channel, after in waiting.items():
            self._enter(session, channel, after)

    def _enter(self, session: LiveSession, channel: ChannelKey, after: int | None) -> None:
        if session.is_starting:
            session.waiting[channel] = after
        elif self._feeds.get(channel) is None:
            session.waiting[channel] = after
            self._spawn(self._open_and_enter(session, channel), f"enter {channel}")
        elif channel not in session.channels:
            missed = self._feeds.missed(channel, after)
            if missed is None:
                session.waiting[channel] = after
                self._spawn(self._open_and_enter(session, channel), f"catch up {channel}")
            else:
                self._enter_after(session, channel, after, missed)

    def _enter_after(
        self, session: LiveSession, channel: ChannelKey, after: int | None, missed: Sequence[MessageData]
    ) -> None:
        """In one turn: what was missed, oldest first, then everything that comes."""
        for message in missed:
            self._hub.to_sessions(event_from_message(message, after=after or 0), [session])
        self._hub.enter(session, channel)

    async def _open_and_enter(self, session: LiveSession, channel: ChannelKey) -> None:
        after = session.waiting.get(channel)
        try:
            async with self._feeds.pinned(channel):
                missed = await self._feeds.changes_since(channel, after) if after is not None else []
                if channel in session.waiting and self._hub.get(session.info.session_id) is session:
                    del session.waiting[channel]
                    self._enter_after(session, channel, after, missed)
        except ReaktorError as error:
            logger.warning("presence: can't open %s for a session (%s)", channel, error.message)
            session.close(Disconnect(CloseCode.RESYNC_NEEDED))

    def _tell_quit(self, left: Sequence[MemberLeft]) -> None:
        """`user : quit`, for the transports that have such a word: once per session, with the channels that it shared.

        No others: the key of an unlisted channel is all that keeps strangers out.
        """
        shared: dict[SessionId, list[ChannelKey]] = {}
        for each in left:
            for session in self._hub.members(each.channel):
                shared.setdefault(session.info.session_id, []).append(each.channel)
        groups: dict[tuple[ChannelKey, ...], list[LiveSession]] = {}
        for session_id, channels in shared.items():
            if (member := self._hub.get(session_id)) is not None:
                groups.setdefault(tuple(channels), []).append(member)
        for keys, sessions in groups.items():
            data = {"username": left[0].username, "channels": list(keys)}
            self._hub.to_sessions(Event(EventType.USER_QUIT, None, data), sessions)
