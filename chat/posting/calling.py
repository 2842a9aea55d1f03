"""Whom messages call by @channel and @here: the facts, read inside the transaction that stores them.

Calling() is made by chat.posting.batches for the posts of one commit, if any of them has such a word; a fixed number of
queries. The decision is chat.domain.calls'.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple

from django.db.models import Count, Q

from chat.domain.calls import CallWord, is_call
from chat.domain.following import Level
from chat.domain.ids import UserId
from chat.domain.policies import ChannelKind
from chat.models import Call, ChannelMembership, UserBlock
from chat.posting.statements import LockedChannel, MessageRow

PRESENT = 5_000
"""Of more people who are present no list is kept: then @here calls all, as @channel does."""


class Called(NamedTuple):
    """Whom a message calls: `only` these (None: all members), but not its author and who blocks them (`but`)."""

    word: CallWord
    only: frozenset[UserId] | None
    but: frozenset[UserId]

    def row(self, message: MessageRow, mentioned: Iterable[UserId]) -> Call:
        """As it is stored."""
        return Call(
            message_id=message.id,
            channel_id=message.channel_id,
            number=message.number,
            present=None if self.only is None else ids_stored(self.only),
            but=ids_stored(self.but.union(mentioned)),
            created_at=datetime.now(UTC),
        )


def ids_stored(users: Iterable[str]) -> str:
    """As Call has them."""
    return " ".join(sorted(uuid.UUID(each).hex for each in users))


def call_renamed(call: Call, before: Iterable[str], now: Iterable[str]) -> None:
    """An edit: the message mentions others than before, who have it unread as a mention."""
    others = {uuid.UUID(each).hex for each in before}
    kept = [each for each in call.but.split() if each not in others]
    call.but = " ".join([*kept, *ids_stored(now).split()])
    call.save(update_fields=["but"])


class Calling:
    """What must be known of these channels, in which somebody may be called, and of these authors."""

    def __init__(self, channels: Iterable[LockedChannel], authors: Iterable[UserId]) -> None:
        ids = [channel.id for channel in channels if not ChannelKind(channel.kind).is_direct]
        members = ChannelMembership.objects.filter(channel_id__in=ids)
        self._heard = members.exclude(level=Level.NOTHING.value)
        counted = members.values("channel_id").annotate(
            members=Count("id"), heard=Count("id", filter=~Q(level=Level.NOTHING.value))
        )
        counts = counted.order_by().values_list("channel_id", "members", "heard")
        self._counts = {pk: (all_of_them, heard) for pk, all_of_them, heard in counts}
        wanted = {uuid.UUID(author) for author in authors}
        self._but = {str(author): {UserId(str(author))} for author in wanted}
        blocks = UserBlock.objects.filter(blocked_id__in=wanted)
        for blocked, user in blocks.values_list("blocked_id", "user_id"):
            self._but[str(blocked)].add(UserId(str(user)))
        near = self._heard.filter(Q(user_id__in=wanted) | Q(user_id__in=blocks.values("user_id")))
        self._near = {(pk, str(user)) for pk, user in near.values_list("channel_id", "user_id")}

    def of(
        self,
        word: CallWord,
        channel: LockedChannel,
        author: UserId,
        *,
        is_moderator: bool,
        present: frozenset[UserId] | None,
        is_confirmed: bool | None,
    ) -> Called | None:
        """Whom this author calls there; None: nobody, the word is text. `present`: who is, wherever; None: not known.

        Raises ConfirmationRequiredError.
        """
        members, heard = self._counts.get(channel.id, (0, 0))
        but = frozenset(self._but[author])
        called = Called(word, self._present(word, channel.id, (present or frozenset()) - but), but)
        told = heard - sum((channel.id, user) in self._near for user in but)
        if called.only is not None:
            told = len(called.only)
        kind = ChannelKind(channel.kind)
        calls = is_call(kind, members=members, is_moderator=is_moderator, told=told, is_confirmed=is_confirmed)
        return called if calls else None

    def _present(self, word: CallWord, channel_id: int, present: frozenset[UserId]) -> frozenset[UserId] | None:
        if word is CallWord.CHANNEL:
            return None
        heard = self._heard.filter(channel_id=channel_id).values_list("user_id", flat=True) if present else ()
        found = present.intersection(UserId(str(each)) for each in heard)
        return found if len(found) <= PRESENT else None
