"""Rights that hold while something is done: asked again under the lock of the channel's row.

Roles, bans and sanctions of a channel are stored under that lock. Whoever asked before it and waited may have lost the
right meanwhile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from django.db import transaction

from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import Access
from chat.models import Channel
from chat.selectors import ChannelAccess, channel_access


@contextmanager
def channel_locked(*, user: UserRef, key: str, check: Callable[[Access], None]) -> Iterator[ChannelAccess]:
    """A transaction that holds the channel's row, for whom `check` lets do it there; the channel as they see it then.

    Asked twice: before the lock, so that who may not holds up nobody; and under it. Raises what `check` raises,
    NotFoundError, BannedError.
    """
    wanted = ChannelKey(key)
    check(channel_access(user=user, key=wanted, to_moderate=True).access)
    with transaction.atomic():
        channel_lock(wanted)
        found = channel_access(user=user, key=wanted, to_moderate=True)
        check(found.access)
        yield found


def channel_lock(key: str) -> Channel | None:
    """Take the lock that posts, roles and sanctions take: the channel; where there is no such one, none."""
    return Channel.objects.select_for_update(no_key=True).filter(key=key).first()
