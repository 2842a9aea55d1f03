"""The only on_commit: events leave a transaction here, and reach live sessions only if it commits.

Called by services and retention in any thread. Where a node runs in this process its loop takes over; a management
command says it once over Redis, if a live server is there. Nothing here waits. What fails here is logged and no more
(robust): the transaction stands, and live sessions find what they were not told by comparing with the store.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from django.db import transaction

from chat.delivery import wire
from chat.delivery.wire import Audience
from chat.domain.events import Event
from chat.domain.ids import ChannelKey, SessionId, UserId
from chat.membership.wire import channel_group
from reaktor.process import node
from reaktor.process.announce import announce
from reaktor.process.orders import BLOCKS_CHANGED, HIDING_CHANGED, ORDERS_GROUP


def durable(*events: Event) -> None:
    """Durable events of one channel, to its members after the commit; there is at least one."""
    _after_commit(_durable, events)


def to_channel(event: Event) -> None:
    """An ephemeral event, to the members of its channel after the commit."""
    _after_commit(_ephemeral, event, Audience(channel=event.channel))


def to_everybody(event: Event) -> None:
    """An ephemeral event, to all live sessions after the commit."""
    _after_commit(_ephemeral, event, Audience())


def to_user(user_id: UserId, event: Event, *, exclude: SessionId | None = None) -> None:
    """An ephemeral event, to one user's sessions (but `exclude`) after the commit."""
    _after_commit(_ephemeral, event, Audience(user_id=user_id, exclude=exclude))


def trimmed(key: ChannelKey) -> None:
    """Messages of the channel were deleted for good: every process forgets them after the commit."""
    announce(channel_group(key), wire.TRIMMED_KIND, {"channel": key})


def blocks_changed() -> None:
    """The authority reads the blocks anew at once after the commit; it does so each second in any case."""
    announce(ORDERS_GROUP, BLOCKS_CHANGED, {})


def hiding_changed(user_id: UserId) -> None:
    """Every process that has sessions of the user reads anew whom they block, after the commit."""
    announce(ORDERS_GROUP, HIDING_CHANGED, {"user_id": user_id})


def _after_commit(function: Callable[..., None], *args: Any) -> None:
    # No partial: Django names what failed by its __qualname__, and fails itself where there is none.
    transaction.on_commit(lambda: function(*args), robust=True)


def _in_loop(here: node.Node, function: Callable[..., object], *args: Any) -> None:
    with suppress(RuntimeError):  # its loop closed just now: the process is ending
        here.call_soon(function, *args)


def _durable(events: Sequence[Event]) -> None:
    channel = events[0].channel
    assert channel is not None  # noqa: S101  durable events always have one; mypy can't know
    here = node.current()
    if here is not None:
        _in_loop(here, here.runtime.publish_durable, events)
    else:
        announce(channel_group(channel), wire.DURABLE_KIND, wire.durable_body(events, time.time()))
        newest = wire.newest_activity(events)
        if newest is not None:
            announce(wire.EVERYBODY_GROUP, wire.ACTIVITY_KIND, wire.activities_body([newest]))


def _ephemeral(event: Event, audience: Audience) -> None:
    here = node.current()
    if here is not None:
        _in_loop(here, here.runtime.publish_ephemeral, event, audience)
    else:
        group = channel_group(audience.channel) if audience.channel else wire.EVERYBODY_GROUP
        announce(group, wire.EPHEMERAL_KIND, wire.ephemeral_body(event, audience))
