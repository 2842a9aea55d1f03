"""Who of the people that a message names is told of it: whoever may read the channel, and wants to hear its author.

Mentioning is made by chat.posting.batches for the posts of one commit and by chat.services for one edit, inside their
transaction; it asks a fixed number of queries, and none where nobody is named.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime

from chat.domain.ids import UserRef
from chat.domain.mentions import possible_mentions
from chat.domain.policies import ChannelKind, SanctionKind
from chat.models import ChannelMembership, Sanction, UserBlock
from chat.posting.statements import LockedChannel
from chat.selectors import users_named

CLOSED = tuple(kind for kind in ChannelKind if kind.is_closed)


class Mentioning:
    """The people named in some texts, and who of them may hear of it; then questions, without queries."""

    def __init__(
        self, texts: Iterable[str], channels: Iterable[LockedChannel], authors: Iterable[str], now: datetime
    ) -> None:
        self._possible = {text: possible for text in texts if (possible := possible_mentions(text))}
        self._named: Mapping[str, UserRef | None] = users_named(
            {name for places in self._possible.values() for possible in places for name in possible}
        )
        self._members: set[tuple[int, str]] = set()
        self._banned: set[tuple[int | None, str]] = set()
        self._blocks: set[tuple[str, str]] = set()
        if self._named:
            self._find([uuid.UUID(user.id) for user in self._named.values() if user], channels, authors, now)

    def _find(
        self, named: list[uuid.UUID], channels: Iterable[LockedChannel], authors: Iterable[str], now: datetime
    ) -> None:
        found = list(channels)
        closed = [channel.id for channel in found if channel.kind in CLOSED]
        if closed:
            members = ChannelMembership.objects.filter(channel_id__in=closed, user_id__in=named)
            self._members = {(channel, str(user)) for channel, user in members.values_list("channel_id", "user_id")}
        bans = Sanction.objects.filter(kind=SanctionKind.BAN.value, lifted_at=None, user_id__in=named)
        bans = bans.filter(channel_id__in=[channel.id for channel in found]).exclude(until__lte=now)
        self._banned = {(channel, str(user)) for channel, user in bans.values_list("channel_id", "user_id")}
        blocks = UserBlock.objects.filter(user_id__in=named, blocked_id__in={uuid.UUID(author) for author in authors})
        self._blocks = {(str(user), str(blocked)) for user, blocked in blocks.values_list("user_id", "blocked_id")}

    def of(self, text: str, channel: LockedChannel, author_id: str) -> list[UserRef]:
        """Whom this text, one of those that were given, mentions: by that author in that channel."""
        if not self._named:
            return []
        named = (self._longest(possible) for possible in self._possible.get(text, ()))
        return [user for user in dict.fromkeys(named) if user and self._hears(user.id, channel, author_id)]

    def _longest(self, possible: Iterable[str]) -> UserRef | None:
        """Whom a place names: the longest name that exists. None: nobody, or an account that is switched off."""
        return next((self._named[name] for name in possible if name in self._named), None)

    def _hears(self, user_id: str, channel: LockedChannel, author_id: str) -> bool:
        if user_id == author_id or (channel.kind in CLOSED and (channel.id, user_id) not in self._members):
            return False
        return (channel.id, user_id) not in self._banned and (user_id, author_id) not in self._blocks
