"""The operations of live sessions, and how often each may be asked: the one list for every transport.

A transport names the operation and calls check_rate() before it acts; native uses these very names in its frames. A new
operation stands here with its Limit, or with the reason why it has none. Of each refusal it tells too_many_refusals().
"""

from __future__ import annotations

from collections.abc import Mapping
from time import monotonic

from chat.delivery.live_session import LiveSession
from chat.live.runtime import Runtime
from reaktor.errors import Bye, CloseCode, RateLimitedError, ReaktorError
from reaktor.limits.rates import Allowance, Limit, Unmetered

OPERATIONS: Mapping[str, Allowance] = {
    "hello": Unmetered("one per connection, and connections have limits of their own"),
    "pong": Unmetered("it answers the server's own ping"),
    "auth.refresh": Limit.OPERATIONS,
    "channel.list": Limit.OPERATIONS,
    "channel.create": Limit.CREATE_CHANNEL,
    "channel.update": Limit.CHANGES,
    "channel.archive": Limit.CHANGES,
    "channel.join": Limit.JOIN,
    "channel.leave": Limit.OPERATIONS,
    "channel.members": Limit.OPERATIONS,
    "message.send": Limit.SEND,
    "message.edit": Limit.CHANGES,
    "message.delete": Limit.OPERATIONS,
    "message.list": Limit.OPERATIONS,
    "reaction.add": Limit.CHANGES,
    "reaction.remove": Limit.CHANGES,
    "read": Unmetered("clients say it with every message that they show, and only forward moves are stored"),
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


async def check_rate(runtime: Runtime, session: LiveSession, operation: str) -> None:
    """Count one operation: of the session, and of its user in all processes. Raises RateLimitedError."""
    allowance = OPERATIONS[operation]
    limits = runtime.config.limits
    if isinstance(allowance, Unmetered) or not limits.enabled:
        return
    if (wait_s := session.operations.take(limits.operations, monotonic())) is not None:
        raise RateLimitedError(retry_after_s=wait_s)
    if allowance is Limit.OPERATIONS:
        return
    if runtime.rates.check_here(allowance, session.user.id):
        await runtime.database.read_once(runtime.rates.check_elsewhere, allowance, session.user.id)


def too_many_refusals(runtime: Runtime, session: LiveSession, error: ReaktorError) -> Bye | None:
    """Count what a session was just refused; how to end it when its user goes on against refusals."""
    wait_s = runtime.rates.on_refusal(error, session.user.id)
    return None if wait_s is None else Bye(CloseCode.RATE_LIMITED, "too much was refused", retry_after_s=wait_s)
