"""The handlers of moderation: reports, and what moderators do. Registered beside the others.

A frame's channel says where; without one it is everywhere, which takes staff.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from chat import services
from chat.domain import rules
from chat.domain.ids import ChannelKey
from chat.transports.native.native_session import NativeSession
from chat.transports.native.protocol import Request
from chat.transports.native.registry import Context, handles
from reaktor.errors import InvalidError
from reaktor.times import parse_timestamp


@handles("report")
async def on_report(context: Context, session: NativeSession, request: Request) -> None:
    key = rules.parse_channel_key(request.channel)
    message_id, reason = request.data["id"], request.data["reason"]
    report = partial(services.report_create, user=session.user, key=key, message_id=message_id, reason=reason)
    await context.runtime.database.write(report)
    context.answer(request, {})


async def _sanction(context: Context, session: NativeSession, request: Request, kind: str) -> None:
    data = request.data
    issue = partial(
        services.sanction_issue,
        user=session.user,
        kind=kind,
        username=data["user"],
        channel=_place(request),
        until=_time(data.get("until")),
        reason=data["reason"],
    )
    context.answer(request, await context.runtime.database.write(issue))


@handles("moderation.kick")
async def on_kick(context: Context, session: NativeSession, request: Request) -> None:
    await _sanction(context, session, request, "kick")


@handles("moderation.mute")
async def on_mute(context: Context, session: NativeSession, request: Request) -> None:
    await _sanction(context, session, request, "mute")


@handles("moderation.ban")
async def on_ban(context: Context, session: NativeSession, request: Request) -> None:
    await _sanction(context, session, request, "ban")


@handles("moderation.lift")
async def on_lift(context: Context, session: NativeSession, request: Request) -> None:
    lift = partial(services.sanction_lift_all, user=session.user, username=request.data["user"])
    count = await context.runtime.database.write(lift, channel=_place(request), reason=request.data["reason"])
    context.answer(request, {"lifted": count})


@handles("moderation.purge")
async def on_purge(context: Context, session: NativeSession, request: Request) -> None:
    data: dict[str, Any] = request.data
    database = context.runtime.database
    begin = partial(services.purge_begin, user=session.user, username=data["user"], hours=data["hours"])
    purging = await database.write(partial(begin, channel=_place(request), reason=data["reason"]))
    for _ in range(services.FIRST_BATCHES):
        # One call per batch: everybody's posts are stored between them.
        purging.went(await database.write(services.purge_batch, purge_id=purging.purge_id))
        session.seen()  # its pongs wait behind this frame
        if purging.is_over:
            break
    context.answer(request, purging.as_data())


def _place(request: Request) -> ChannelKey | None:
    return rules.parse_channel_key(request.channel) if request.channel else None


def _time(text: str | None) -> datetime | None:
    try:
        return None if text is None else parse_timestamp(text)
    except (ValueError, OverflowError):
        raise InvalidError("until is not a time.", fields={"until": "such as 2026-11-23T10:00:00Z"}) from None
