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
    """Whom a message calls: `only` these; None: all members. But for those who do not want to hear its author."""

    word: CallWord
    only: frozenset[UserId] | None
    but: frozenset[UserId]

    def row(self, message: MessageRow) -> Call:
        """As it is stored."""
        present = None if self.only is None else " ".join(sorted(uuid.UUID(each).hex for each in self.only))
        return Call(
            message_id=message.id,
            channel_id=message.channel_id,
            author_id=message.author_id,
            number=message.number,
            word=self.word.value,
            present=present,
            created_at=datetime.now(UTC),
        )


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
        self._blockers: dict[str, set[UserId]] = {}
        wanted = set(authors)
        own = self._heard.filter(user_id__in=wanted).values_list("channel_id", "user_id")
        self._hearing_authors = {(channel_id, str(user_id)) for channel_id, user_id in own}
        blocks = UserBlock.objects.filter(blocked_id__in=wanted).values_list("blocked_id", "user_id")
        for blocked, user in blocks:
            self._blockers.setdefault(str(blocked), set()).add(UserId(str(user)))

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
        blockers = frozenset(self._blockers.get(author, ()))
        called = Called(word, self._present(word, channel.id, author, present, blockers), blockers)
        others = heard - ((channel.id, author) in self._hearing_authors)
        told = others if called.only is None else len(called.only)
        kind = ChannelKind(channel.kind)
        calls = is_call(kind, members=members, is_moderator=is_moderator, told=told, is_confirmed=is_confirmed)
        return called if calls else None

    def _present(
        self,
        word: CallWord,
        channel_id: int,
        author: UserId,
        present: frozenset[UserId] | None,
        blockers: frozenset[UserId],
    ) -> frozenset[UserId] | None:
        if word is CallWord.CHANNEL:
            return None
        wanted = (present or frozenset()) - blockers - {author}
        heard = self._heard.filter(channel_id=channel_id).values_list("user_id", flat=True) if wanted else ()
        found = wanted.intersection(UserId(str(each)) for each in heard)
        return found if len(found) <= PRESENT else None
