"""From Transitions of the replica to what this process does: hub entries, and the presence events members see.

carry_out() is called by the feeder, synchronously, in the loop turn in which a batch (or a snapshot's difference)
was applied. Flows: join, worker crash. Never waits; a session put into a channel whose feed is closed enters as soon
as a task of the runtime has opened it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from chat.delivery.hub import Hub
from chat.delivery.live_session import LiveSession
from chat.domain.events import Event, EventType, MemberData, MemberLeftData
from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.domain.sessions import LeftReason
from chat.live.catch_up import CatchUp
from chat.live.feeds import Feeds
from chat.live.hiding import Hiding
from chat.membership.protocol import (
    MemberJoined,
    MemberLeft,
    PresenceChanged,
    SessionEnded,
    SessionEntered,
    SessionExited,
    Transition,
)
from reaktor.errors import Bye, CloseCode, ReaktorError

logger = logging.getLogger(__name__)

Task = asyncio.Task[None] | None
"""What the runtime made of a coroutine; None when it stops."""


class LocalMembers:
    """Carries transitions out on the hub of this process."""

    def __init__(
        self,
        hub: Hub,
        feeds: Feeds,
        spawn: Callable[[Coroutine[Any, Any, None], str], Task],
        hiding: Hiding | None = None,
    ) -> None:
        """`hiding` None: nothing is hidden from anybody."""
        self._hub = hub
        self._hiding = hiding
        self._feeds = feeds
        self._spawn = spawn
        self._catch_up = CatchUp(hub, feeds)
        self._entering: dict[tuple[SessionId, ChannelKey], Task] = {}

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
                        session.sent.pop(channel, None)
                        session.began_after.pop(channel, None)
                        self._hub.exit(session, channel)
                case SessionEnded(session_id, code, reason_text):
                    session = self._hub.get(session_id)
                    if session is not None:
                        # Without a code the membership has simply lost it (a resync); its client comes back to sync.
                        ended = CloseCode(code) if code is not None else CloseCode.RESYNC_NEEDED
                        session.close(Bye(ended, reason_text or None))
                case MemberJoined(channel, _, username, status):
                    member = MemberData(username=username, status=status.value)
                    self._hub.to_channel(Event(EventType.MEMBER_JOINED, channel, member))
                case MemberLeft(channel, user_id, username, reason):
                    gone = MemberLeftData(username=username, reason=reason.value)
                    self._hub.to_channel(Event(EventType.MEMBER_LEFT, channel, gone))
                    if reason is LeftReason.QUIT:
                        quits.setdefault(user_id, []).append(transition)
                case PresenceChanged(user_id, username, status, channels):
                    for channel in channels:
                        member = MemberData(username=username, status=status.value)
                        self._hub.to_channel(Event(EventType.PRESENCE_CHANGED, channel, member), about=user_id)
        for left in quits.values():
            self._tell_quit(left)

    def start(self, session: LiveSession) -> None:
        """The session was greeted: what the membership put it into meanwhile is delivered from now on."""
        session.is_starting = False
        waiting, session.waiting = session.waiting, {}
        for channel, after in waiting.items():
            self._enter(session, channel, after)

    async def entered(self, session: LiveSession, channel: ChannelKey, timeout_s: float) -> None:
        """Returns when the session is in a channel that it is being put into, or when it has waited that long."""
        task = self._entering.get((session.info.session_id, channel))
        if task is not None:
            await asyncio.wait((task,), timeout=timeout_s)

    def resend(self, reset: Event, after: int) -> None:
        """A feed starts anew because too much was missed; who is not told so is sent what came after that seq."""
        assert reset.channel is not None  # noqa: S101  feeds are of channels
        for session in self._hub.members(reset.channel):
            if session.format.encode(reset) is None:
                self._hub.exit(session, reset.channel)
                self._enter(session, reset.channel, after)

    def _enter(self, session: LiveSession, channel: ChannelKey, after: int | None) -> None:
        if after is not None and not session.is_heard:
            session.began_after.setdefault(channel, after)
        if session.is_starting:
            session.waiting[channel] = after
        elif channel in session.channels:
            return
        elif not self._is_ready(session, channel) or not self._catch_up.at_once(session, channel, after):
            session.waiting[channel] = after
            task = self._spawn(self._open_and_enter(session, channel), f"enter {channel}")
            self._entering[session.info.session_id, channel] = task

    def _is_ready(self, session: LiveSession, channel: ChannelKey) -> bool:
        return self._hiding is None or self._hiding.is_ready(session.user.id, channel)

    async def _open_and_enter(self, session: LiveSession, channel: ChannelKey) -> None:
        """What at_once() could not do, in a task of its own."""
        key = (session.info.session_id, channel)
        mine = asyncio.current_task()

        def is_wanted() -> bool:
            is_here = channel in session.waiting and self._hub.get(session.info.session_id) is session
            # Another one, when it was taken out and put in again meanwhile.
            return is_here and self._entering.get(key) is mine

        try:
            if self._hiding is not None:
                await self._hiding.ready(session.user.id, channel)
            await self._catch_up.page_by_page(session, channel, is_wanted)
        except ReaktorError as error:
            logger.warning("members: can't open %s for a session (%s)", channel, error.message)
            session.close(Bye(CloseCode.RESYNC_NEEDED))
        finally:
            if self._entering.get(key) is mine:
                del self._entering[key]

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
