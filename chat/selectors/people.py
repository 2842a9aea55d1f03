"""Reads: who shares a channel with whom, for the directory and for whoever is told of somebody's profile."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from typing import NamedTuple

from accounts.directory import PersonData, people_by_id
from chat.domain.ids import ChannelKey, UserId
from chat.models import ChannelMembership
from chat.selectors.channels import FIRST_CHANNELS

TOGETHER = 900
"""Ids in one statement: SQLite takes 999 parameters in its smallest builds."""
CLOSED_KINDS = ("private", "direct", "group")
MOST_CHANNELS = 500
"""So many closed channels of one person are looked at, the newest memberships first."""


class Profile(NamedTuple):
    """A person, and the closed channels that they belong to."""

    person: PersonData
    channels: Sequence[ChannelKey]


def sharing(user_id: UserId, others: Collection[uuid.UUID]) -> set[uuid.UUID]:
    """Of these accounts, those that belong to a channel that the user belongs to, too, and the user. A query for each
    900.

    The channels that every account begins in don't count: by those everybody would share one with everybody.
    """
    mine = ChannelMembership.objects.filter(user_id=user_id).exclude(channel__key__in=FIRST_CHANNELS)
    found = {pk for pk in others if str(pk) == user_id}
    wanted = list(others)
    for start in range(0, len(wanted), TOGETHER):
        theirs = ChannelMembership.objects.filter(
            user_id__in=wanted[start : start + TOGETHER], channel_id__in=mine.values("channel_id")
        )
        found |= set(theirs.values_list("user_id", flat=True))
    return found


def profiles_of(user_ids: Collection[UserId]) -> dict[UserId, Profile]:
    """How these people are shown now, and where those are who should know. A query, and one for each of them."""
    found = {}
    for user_id, person in people_by_id(user_ids).items():
        closed = ChannelMembership.objects.filter(user_id=user_id, channel__kind__in=CLOSED_KINDS).order_by("-id")
        keys = closed.values_list("channel__key", flat=True)[:MOST_CHANNELS]
        found[UserId(user_id)] = Profile(person, [ChannelKey(key) for key in keys])
    return found
