"""Threads: what may be answered in one, and what a thread is told to be. Pure.

A thread hangs on one message, its root. Replies are messages of the channel, with numbers and seqs like all others; one
that is not shown in the channel, too, takes no place in the channel's flow. Source: docs/protocol.md, "Threads".
"""

from __future__ import annotations

from typing import NamedTuple

from reaktor.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError, ReaktorError
from reaktor.why import Why

FOLLOWERS_TOLD = 500
"""So many followers of a thread are told of a reply at once; the others find it in their lists."""
FOLLOWERS_NOTICED = 1_000
"""So many are told by push or mail."""
UNREAD_COUNTED = 1_000
"""More unread replies of one thread are not counted."""


class Root(NamedTuple):
    """The message that a reply names. `replies`: those in its thread that are not deleted."""

    channel_id: int
    is_reply: bool
    is_deleted: bool
    replies: int = 0


def reply_refusal(root: Root | None, channel_id: int, *, has_threads: bool) -> ReaktorError | None:
    """Why nobody may answer in that thread of that channel.

    A deleted root is answered for as long as there are replies to talk about, as in Slack.
    """
    if root is None or root.channel_id != channel_id:
        return NotFoundError("The message whose thread that is is not in this channel.", why=Why.NO_SUCH_MESSAGE)
    if root.is_reply:
        return InvalidError("A thread can't begin inside another.", fields={"thread": "is in a thread itself"})
    if not has_threads:
        return ForbiddenError("Threads are switched off in this channel.", why=Why.THREADS_OFF)
    if root.is_deleted and not root.replies:
        return ConflictError("That message is deleted.", why=Why.MESSAGE_DELETED)
    return None
