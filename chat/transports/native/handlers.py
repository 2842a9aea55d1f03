"""One function per operation: a checked Request in, an action called, the answer written.

Registered by name; a test holds the names equal to those of the operations. Rates and errors are the consumer's.
"""

from __future__ import annotations

from functools import partial

from chat import services
from chat.domain import rules
from chat.domain.sessions import Status
from chat.live import actions
from chat.transports.native.native_session import NativeSession
from chat.transports.native.protocol import Request
from chat.transports.native.registry import Context, handles, handles_at_once
from reaktor.errors import ConflictError


@handles("hello")
async def on_hello(context: Context, session: NativeSession, request: Request) -> None:
    raise ConflictError("This session was greeted already.")


@handles("auth.refresh")
async def on_auth_refresh(context: Context, session: NativeSession, request: Request) -> None:
    session.renew(await actions.refresh_token(context.runtime, session, request.data["token"]))
    context.answer(request, {"expires_at": session.expires_at})


@handles("channel.list")
async def on_channel_list(context: Context, session: NativeSession, request: Request) -> None:
    page = await actions.list_channels(context.runtime, session, request.data["search"], request.data["cursor"])
    context.answer(request, page)


@handles("channel.create")
async def on_channel_create(context: Context, session: NativeSession, request: Request) -> None:
    text_rules = context.runtime.text_rules
    data = await actions.change_channel(
        context.runtime, session, services.channel_create, **request.data, text_rules=text_rules
    )
    context.answer(request, data)


@handles("channel.update")
async def on_channel_update(context: Context, session: NativeSession, request: Request) -> None:
    key = rules.parse_channel_key(request.channel)
    text_rules = context.runtime.text_rules
    data = await actions.change_channel(
        context.runtime, session, services.channel_update, key=key, **request.data, text_rules=text_rules
    )
    context.answer(request, data)


@handles("channel.archive")
async def on_channel_archive(context: Context, session: NativeSession, request: Request) -> None:
    key = rules.parse_channel_key(request.channel)
    data = await actions.change_channel(context.runtime, session, services.channel_archive, key=key)
    context.answer(request, data)


@handles("channel.join")
async def on_channel_join(context: Context, session: NativeSession, request: Request) -> None:
    respond = partial(context.answer, request)
    await actions.join_channel(context.runtime, session, request.channel, request.data["after"], respond)


@handles("channel.members")
async def on_channel_members(context: Context, session: NativeSession, request: Request) -> None:
    page = await actions.list_members(context.runtime, session, request.channel, request.data["cursor"])
    context.answer(request, page)


@handles("channel.leave")
async def on_channel_leave(context: Context, session: NativeSession, request: Request) -> None:
    await actions.leave_channel(context.runtime, session, request.channel)
    context.answer(request, {})


@handles("channel.follow")
async def on_channel_follow(context: Context, session: NativeSession, request: Request) -> None:
    level = request.data["level"]
    context.answer(request, await actions.follow_channel(context.runtime, session, request.channel, level))


@handles("channel.unfollow")
async def on_channel_unfollow(context: Context, session: NativeSession, request: Request) -> None:
    await actions.unfollow_channel(context.runtime, session, request.channel)
    context.answer(request, {})


@handles_at_once("message.send")
def on_message_send(context: Context, session: NativeSession, request: Request) -> None:
    actions.post_message(
        context.runtime,
        session,
        key=request.channel,
        text=request.data["text"],
        nonce=request.data["nonce"],
        reply_to=request.data["reply_to"],
        files=request.data["files"],
        thread=request.data["thread"],
        also_in_channel=request.data["also_in_channel"],
        is_confirmed=request.data["confirm"],
        respond=partial(context.answer_stored, request),
    )


@handles("message.edit")
async def on_message_edit(context: Context, session: NativeSession, request: Request) -> None:
    data = request.data
    message = await actions.edit_message(context.runtime, session, request.channel, data["id"], data["text"])
    context.answer(request, message)


@handles("message.delete")
async def on_message_delete(context: Context, session: NativeSession, request: Request) -> None:
    message = await actions.delete_message(context.runtime, session, request.channel, request.data["id"])
    context.answer(request, message)


@handles("message.list")
async def on_message_list(context: Context, session: NativeSession, request: Request) -> None:
    marks = {name: value for name, value in request.data.items() if value is not None}
    context.answer(request, await actions.list_messages(context.runtime, session, request.channel, marks))


@handles("message.edits")
async def on_message_edits(context: Context, session: NativeSession, request: Request) -> None:
    context.answer(request, await actions.list_edits(context.runtime, session, request.channel, request.data["id"]))


@handles("pin.add")
async def on_pin_add(context: Context, session: NativeSession, request: Request) -> None:
    context.answer(request, await actions.add_pin(context.runtime, session, request.channel, request.data["id"]))


@handles("pin.remove")
async def on_pin_remove(context: Context, session: NativeSession, request: Request) -> None:
    await actions.remove_pin(context.runtime, session, request.channel, request.data["id"])
    context.answer(request, {})


@handles("pin.list")
async def on_pin_list(context: Context, session: NativeSession, request: Request) -> None:
    context.answer(request, await actions.list_pins(context.runtime, session, request.channel))


@handles("search")
async def on_search(context: Context, session: NativeSession, request: Request) -> None:
    context.answer(request, await actions.search_messages(context.runtime, session, request.data))


@handles("reaction.add")
async def on_reaction_add(context: Context, session: NativeSession, request: Request) -> None:
    data = request.data
    message = await actions.add_reaction(context.runtime, session, request.channel, data["id"], data["emoji"])
    context.answer(request, message)


@handles("reaction.remove")
async def on_reaction_remove(context: Context, session: NativeSession, request: Request) -> None:
    data = request.data
    message = await actions.remove_reaction(context.runtime, session, request.channel, data["id"], data["emoji"])
    context.answer(request, message)


@handles("read")
async def on_read(context: Context, session: NativeSession, request: Request) -> None:
    data = request.data
    mark = await actions.mark_read(context.runtime, session, request.channel, data["number"], is_back=data["back"])
    context.answer(request, mark)


@handles("thread.follow")
async def on_thread_follow(context: Context, session: NativeSession, request: Request) -> None:
    thread = request.data["thread"]
    context.answer(request, await actions.follow_thread(context.runtime, session, request.channel, thread))


@handles("thread.unfollow")
async def on_thread_unfollow(context: Context, session: NativeSession, request: Request) -> None:
    thread = request.data["thread"]
    context.answer(request, await actions.unfollow_thread(context.runtime, session, request.channel, thread))


@handles("thread.read")
async def on_thread_read(context: Context, session: NativeSession, request: Request) -> None:
    data = request.data
    mark = await actions.mark_thread_read(context.runtime, session, request.channel, data["thread"], data["number"])
    context.answer(request, mark)


@handles_at_once("typing")
def on_typing(context: Context, session: NativeSession, request: Request) -> None:
    is_on, thread = request.data["on"], request.data["thread"]
    # Who is not in the channel is refused each time, and takes no place in the session's memory of typing.
    if request.channel not in session.channels or session.may_tell_typing(request.channel, is_on=is_on):
        actions.tell_typing(context.runtime, session, request.channel, is_on=is_on, thread=thread)
    context.answer(request, {})


@handles("status")
async def on_status(context: Context, session: NativeSession, request: Request) -> None:
    await actions.set_status(context.runtime, session, Status(request.data["status"]))
    context.answer(request, {})


@handles("sync")
async def on_sync(context: Context, session: NativeSession, request: Request) -> None:
    await actions.sync(
        context.runtime,
        session,
        request.data["channels"],
        lambda channels: context.answer(request, {"channels": channels}),
    )
