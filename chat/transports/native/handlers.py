"""One function per operation: a checked Request in, an action called, the answer written.

Registered by name; a test holds the names equal to those of the operations. Errors are the consumer's.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chat import services
from chat.domain import rules
from chat.domain.sessions import Status
from chat.live import actions
from chat.transports.native.native_session import NativeSession
from chat.transports.native.protocol import Request
from chat.transports.native.registry import handles
from reaktor.errors import ConflictError

if TYPE_CHECKING:
    from chat.transports.native.consumer import NativeConsumer


async def count_change(consumer: NativeConsumer, session: NativeSession) -> None:
    """One more change by this user, whichever transport it comes by. Raises RateLimitedError."""
    await consumer.runtime.database.read(consumer.runtime.limits.check_change, session.user.id)


@handles("hello")
async def on_hello(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    raise ConflictError("This session was greeted already.")


@handles("auth.refresh")
async def on_auth_refresh(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    claims = await consumer.claims_of_same_user(request.data["token"], session)
    session.renew(claims)
    consumer.answer(request, {"expires_at": session.expires_at})


@handles("channel.list")
async def on_channel_list(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    page = await actions.list_channels(consumer.runtime, session, request.data["search"], request.data["cursor"])
    consumer.answer(request, page)


@handles("channel.create")
async def on_channel_create(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    data = await actions.create_channel(consumer.runtime, session, **request.data)
    consumer.answer(request, data)


@handles("channel.update")
async def on_channel_update(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    key = rules.parse_channel_key(request.channel)
    await count_change(consumer, session)
    data = await actions.change_channel(consumer.runtime, session, services.channel_update, key=key, **request.data)
    consumer.answer(request, data)


@handles("channel.archive")
async def on_channel_archive(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    key = rules.parse_channel_key(request.channel)
    data = await actions.change_channel(consumer.runtime, session, services.channel_archive, key=key)
    consumer.answer(request, data)


@handles("channel.join")
async def on_channel_join(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    respond = partial(consumer.answer, request)
    await actions.join_channel(consumer.runtime, session, request.channel, request.data["after"], respond)


@handles("channel.leave")
async def on_channel_leave(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    await actions.leave_channel(consumer.runtime, session, request.channel)
    consumer.answer(request, {})


@handles("message.send")
async def on_message_send(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    consumer.runtime.limits.check_send(session.user.id)
    actions.post_message(
        consumer.runtime,
        session,
        key=request.channel,
        text=request.data["text"],
        nonce=request.data["nonce"],
        reply_to=request.data["reply_to"],
        respond=partial(consumer.answer_stored, request),
    )


@handles("message.edit")
async def on_message_edit(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    data = request.data
    await count_change(consumer, session)
    message = await actions.edit_message(consumer.runtime, session, request.channel, data["id"], data["text"])
    consumer.answer(request, message)


@handles("message.delete")
async def on_message_delete(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    message = await actions.delete_message(consumer.runtime, session, request.channel, request.data["id"])
    consumer.answer(request, message)


@handles("message.list")
async def on_message_list(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    marks = {name: value for name, value in request.data.items() if value is not None}
    consumer.answer(request, await actions.list_messages(consumer.runtime, session, request.channel, marks))


@handles("reaction.add")
async def on_reaction_add(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    data = request.data
    await count_change(consumer, session)
    message = await actions.add_reaction(consumer.runtime, session, request.channel, data["id"], data["emoji"])
    consumer.answer(request, message)


@handles("reaction.remove")
async def on_reaction_remove(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    data = request.data
    await count_change(consumer, session)
    message = await actions.remove_reaction(consumer.runtime, session, request.channel, data["id"], data["emoji"])
    consumer.answer(request, message)


@handles("read")
async def on_read(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    mark = await actions.mark_read(consumer.runtime, session, request.channel, request.data["number"])
    consumer.answer(request, mark)


@handles("typing")
async def on_typing(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    is_on = request.data["on"]
    # Who is not in the channel is refused each time, and takes no place in the session's memory of typing.
    if request.channel not in session.channels or session.may_tell_typing(request.channel, is_on=is_on):
        actions.tell_typing(consumer.runtime, session, request.channel, is_on=is_on)
    consumer.answer(request, {})


@handles("status")
async def on_status(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    await actions.set_status(consumer.runtime, session, Status(request.data["status"]))
    consumer.answer(request, {})


@handles("sync")
async def on_sync(consumer: NativeConsumer, session: NativeSession, request: Request) -> None:
    await actions.sync(
        consumer.runtime,
        session,
        request.data["channels"],
        lambda channels: consumer.answer(request, {"channels": channels}),
    )
