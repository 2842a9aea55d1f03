"""The operations of live sessions, how often each may be asked, and which a token may that is good for reading alone.

The one list for every transport.

A transport names the operation and calls check_rate() before it acts, or check_rate_here() for one about which no other
process is asked; native uses these very names in its frames. A new operation stands here with its Limit, or with the
reason why it has none. Of each refusal the transport tells too_many_refusals().
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic

from chat.delivery.live_session import LiveSession
from chat.live.runtime import Runtime
from reaktor.errors import Bye, CloseCode, ForbiddenError, RateLimitedError, ReaktorError
from reaktor.limits.rates import Allowance, Limit, Unmetered

OPERATIONS: Mapping[str, Allowance] = {
    "hello": Unmetered("one per connection, and connections have limits of their own"),
    "pong": Unmetered("it answers the server's own ping"),
    "auth.refresh": Limit.OPERATIONS,
    "channel.list": Limit.LISTS,
    "channel.create": Limit.CREATE_CHANNEL,
    "channel.update": Limit.CHANGES,
    "channel.archive": Limit.CHANGES,
    "channel.join": Limit.JOIN,
    "channel.leave": Limit.OPERATIONS,
    "channel.members": Limit.OPERATIONS,
    "channel.follow": Limit.MEMBERSHIPS,
    "channel.unfollow": Limit.MEMBERSHIPS,
    "message.send": Limit.SEND,
    "message.edit": Limit.CHANGES,
    "message.delete": Limit.OPERATIONS,
    "message.list": Limit.OPERATIONS,
    "message.edits": Limit.OPERATIONS,
    "pin.add": Limit.CHANGES,
    "pin.remove": Limit.CHANGES,
    "pin.list": Limit.OPERATIONS,
    "search": Limit.SEARCH,
    "reaction.add": Limit.CHANGES,
    "reaction.remove": Limit.CHANGES,
    "read": Unmetered("clients say it with every message that they show, and only forward moves are stored"),
    "thread.follow": Limit.MEMBERSHIPS,
    "thread.unfollow": Limit.MEMBERSHIPS,
    "thread.read": Limit.OPERATIONS,
    "typing": Unmetered("clients say it as keys are pressed; the session passes few on, and drops the rest in silence"),
    "status": Limit.OPERATIONS,
    "sync": Limit.OPERATIONS,
    "report": Limit.CHANGES,
    "moderation.kick": Limit.MODERATION,
    "moderation.mute": Limit.MODERATION,
    "moderation.ban": Limit.MODERATION,
    "moderation.lift": Limit.MODERATION,
    "moderation.purge": Limit.BULK_DELETE,
}
READING = frozenset(
    {
        "hello",
        "pong",
        "auth.refresh",
        "channel.list",
        "channel.join",
        "channel.leave",
        "channel.members",
        "message.list",
        "message.edits",
        "pin.list",
        "search",
        "status",
        "sync",
    }
)
"""What stores nothing, and says nothing but that somebody is there. All else needs the scope `write`."""


async def check_rate(runtime: Runtime, session: LiveSession, operation: str) -> None:
    """Count one operation: of the session, and of its user in all processes.

    Raises RateLimitedError, ForbiddenError (the session's token may only read).
    """
    if (asked := check_rate_here(runtime, session, operation)) is not None:
        await runtime.database.read_once(runtime.rates.check_elsewhere, asked, session.user.id)


def check_rate_here(runtime: Runtime, session: LiveSession, operation: str) -> Limit | None:
    """Count one operation in this process, without waiting. Raises RateLimitedError, ForbiddenError.

    Returns the limit about which the other processes must be asked as well, if any.
    """
    if not session.credentials.can_write and operation not in READING:
        raise ForbiddenError("This token may only read.")
    allowance = OPERATIONS[operation]
    limits = runtime.config.limits
    if isinstance(allowance, Unmetered) or not limits.enabled:
        return None
    if (wait_s := session.operations.take(limits.operations, monotonic())) is not None:
        raise RateLimitedError(retry_after_s=wait_s)
    if allowance is Limit.OPERATIONS:
        return None
    return allowance if runtime.rates.check_here(allowance, session.user.id) else None


def too_many_refusals(runtime: Runtime, session: LiveSession, error: ReaktorError) -> Bye | None:
    """Count what a session was just refused; how to end it when its user goes on against refusals."""
    wait_s = runtime.rates.on_refusal(error, session.user.id)
    return None if wait_s is None else Bye(CloseCode.RATE_LIMITED, "too much was refused", retry_after_s=wait_s)
