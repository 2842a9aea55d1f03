"""What a live session may ask, whatever its transport: connect, join, leave, post, change, read, sync, status, typing.

Transports translate frames into these calls and their results into frames. Actions check what the store and the
membership know, then act through services, the writer and the runtime. Where an answer carries a cursor it is made
in the very loop turn in which it is true, and handed to `respond` there (see docs/architecture.md, "Order").
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import orjson
from django.db import OperationalError

from accounts.authentication import Claims, user_for_claims, verify_token
from accounts.models import User
from chat import selectors, services
from chat.delivery.answers import Changes, HistoryPage, written
from chat.delivery.feed import Feed
from chat.delivery.live_session import LiveSession
from chat.delivery.wire import Audience
from chat.domain import rules
from chat.domain.errors import NotAMemberError
from chat.domain.events import (
    ChangesData,
    ChannelData,
    EarlierTextData,
    Event,
    EventType,
    Greeting,
    JoinData,
    MemberData,
    MessageData,
    MessagePageData,
    PinData,
    ReadData,
    ThreadData,
    ThreadReadData,
    TypingData,
)
from chat.domain.files import check_files
from chat.domain.following import Follow
from chat.domain.hiding import Names, message_seen, messages_seen
from chat.domain.ids import ChannelKey, UserRef
from chat.domain.policies import ChannelKind
from chat.domain.reading import Head
from chat.domain.search import HitsData, filters_of
from chat.domain.sessions import Ending, Status
from chat.live.revalidation import credentials_of
from chat.live.runtime import Runtime
from chat.live.standings import Look
from chat.membership.protocol import Outcome
from chat.posting.batches import Post, Result, Stored
from chat.search.finding import messages_search
from chat.selectors import ChannelAccess
from reaktor.db.database import is_disk_full
from reaktor.errors import (
    BannedError,
    ForbiddenError,
    NotAuthenticatedError,
    NotFoundError,
    TooLargeError,
    UnavailableError,
)
from reaktor.shapes import ListData
from reaktor.why import Why

logger = logging.getLogger(__name__)

PAGE_MESSAGES = 100
PAGE_BYTES = 128 * 1024
SEARCHES_WAITING = 32
GREETED_CHANNELS = 500
GREETED_BYTES = 256 * 1024
"""Of the channels in a greeting; the others are in GET /api/v1/me/channels."""


def _channel_data(runtime: Runtime, found: ChannelAccess) -> ChannelData:
    return selectors.channel_data(found, online=runtime.online_count(found.channel.key))


# -- Coming and going ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Start:
    """What a session begins with: whose it is, the epoch of the history, and the user's and the asked channels."""

    user: User
    epoch: str
    channels: list[ChannelAccess]
    look: Look

    @property
    def follows(self) -> list[Follow]:
        """What the user follows among them."""
        asked = [(each.channel, each.level) for each in self.channels]
        found = [selectors.follow_of(row.key, row.kind, row.number, level) for row, level in asked if level is not None]
        return [each for each in found if each is not None]


async def load_start(runtime: Runtime, claims: Claims, cursors: Mapping[str, int]) -> Start:
    """The start of a session with this token that had these cursors, read in one turn of a thread.

    Raises BannedError, NotAuthenticatedError, UnavailableError, TooLargeError (more channels than a session may be in).
    """
    limits = runtime.config.limits
    if len(cursors) > limits.channels_per_session:
        raise TooLargeError(f"A session is in at most {limits.channels_per_session} channels.")
    look = runtime.standings.look(time.monotonic())
    return await runtime.database.read(_load_start, claims, [ChannelKey(key) for key in cursors], look)


def _load_start(claims: Claims, keys: Sequence[ChannelKey], look: Look) -> Start:
    user = user_for_claims(claims)
    ref = selectors.user_ref(user)
    found = selectors.channels_access(user=ref, keys=keys)
    if all(each.access.role is None for each in found):
        _ensure_memberships(ref)
        found = selectors.channels_access(user=ref, keys=keys)
    return Start(user, selectors.history_epoch(), found, look)


def _ensure_memberships(user: UserRef) -> None:
    try:
        services.memberships_ensure(user_id=user.id)
    except OperationalError as error:
        if not is_disk_full(error):
            raise
        # Whoever comes for the first time can still read; the next hello makes up for it.
        logger.warning("hello: an account gets no default channels, the disk is full")


async def connect(
    runtime: Runtime,
    session: LiveSession,
    verify: Callable[[], User],
    start: Start,
    cursors: Mapping[str, int],
    respond: Callable[[Greeting], None],
) -> None:
    """Make a session live and put it back into the channels of its cursors; `respond` with what it missed.

    `verify` is Runtime.connect()'s. Channels that are gone or not theirs any more are left out of `resume`. Raises
    BannedError, NotAuthenticatedError, TooManySessionsError, UnavailableError.
    """
    keys = [each.channel.key for each in start.channels if each.channel.key in cursors]
    async with runtime.feeds.pinned(*keys):
        await runtime.connect(session, verify, start.look, follows=start.follows)
        try:
            keys = [key for key in keys if await _entered_again(runtime, session, key)]
            answers = {key: await runtime.feeds.answer_since(key, cursors[key]) for key in keys}
            # Bounded and written in this very turn: their JSON is made once.
            greeting: Greeting = {
                "epoch": start.epoch,
                "channels": (greeted := _greeted(runtime, start.channels, cursors)),
                "channels_left": len(start.channels) - len(greeted),
                "resume": _bounded(runtime, {key: _seen_since(runtime, session, key, answers[key]) for key in keys}),
            }
            respond(greeting)
            runtime.local_members.start(session)
            seen = {each.channel.key: each.channel.number for each in start.channels}
            runtime.activities.started(session, seen, greeted, start.look.began)
        except BaseException:
            runtime.disconnect(session, Ending.GOODBYE)
            raise


async def refresh_token(runtime: Runtime, session: LiveSession, token: object) -> Claims:
    """The claims of a newer token of the session's user, which its transport goes on with.

    Raises NotAuthenticatedError (no good token, or another user's), BannedError, UnavailableError.
    """
    claims = verify_token(token)
    if claims.user_id != session.user.id:
        raise NotAuthenticatedError("That is another user's token.")
    before = session.credentials
    # Before the store is asked: an end of that log-in that is told meanwhile must find this session.
    session.credentials = credentials_of(claims)
    try:
        await runtime.database.read(user_for_claims, claims)
    except BaseException:
        session.credentials = before
        raise
    return claims


async def _entered_again(runtime: Runtime, session: LiveSession, key: ChannelKey) -> bool:
    """Whether the session may go on there. The membership knows of kicks, and of bans a moment before the store."""
    try:
        await runtime.join(session, key, _nothing)
    except (BannedError, ForbiddenError, NotFoundError):
        return False
    return True


def _greeted(runtime: Runtime, found: Sequence[ChannelAccess], cursors: Mapping[str, int]) -> list[ChannelData]:
    """The channels of a greeting, oldest first: those with cursors, and as many others as its bounds let in, of which
    direct ones and those with something unread are the first.
    """
    channels = [(each.channel.id, _channel_data(runtime, each)) for each in found]
    if len(channels) <= GREETED_CHANNELS // 8:  # so many are never too large
        return [data for _, data in channels]

    def rank(channel: tuple[int, ChannelData]) -> tuple[bool, bool, int]:
        pk, data = channel
        return data["key"] not in cursors, not (ChannelKind(data["kind"]).is_direct or data["unread"]), pk

    chosen: list[tuple[int, ChannelData]] = []
    size = 0
    for channel in sorted(channels, key=rank):
        size += len(orjson.dumps(channel[1])) + 1
        if channel[1]["key"] not in cursors and (len(chosen) >= GREETED_CHANNELS or size > GREETED_BYTES):
            break
        chosen.append(channel)
    return [data for _, data in sorted(chosen, key=lambda channel: channel[0])]


def _nothing(outcome: Outcome) -> None:
    """The channel is entered when the greeting is given, not before."""


def _renewed(runtime: Runtime, key: ChannelKey, answer: Changes) -> Changes:
    """The answer as of this turn: what was delivered while others were still being read is added from memory."""
    feed = runtime.feeds.get(key)
    if feed is None or feed.head == answer.seq:
        return answer
    later = feed.recent.since(answer.seq)
    if answer.ready is None or later is None:
        return Changes(feed.head)
    merged = {each["id"]: each for each in [*answer.ready.messages, *later]}
    return Changes(feed.head, sorted(merged.values(), key=lambda each: each["changed_seq"]))


def _seen_since(runtime: Runtime, session: LiveSession, key: ChannelKey, answer: Changes) -> Changes:
    """_renewed() as this session's user sees it."""
    return _renewed(runtime, key, answer).seen(_hidden(runtime, session, key))


def _hidden(runtime: Runtime, session: LiveSession, key: ChannelKey) -> Names:
    """Who is hidden there from the session's user, where that is known."""
    return runtime.hub.hidings.of(session.user.id, key)


def _bounded(runtime: Runtime, answers: dict[ChannelKey, Changes]) -> dict[str, ChangesData]:
    """As clients read them, with resets where one, or all together up to there, would pass their bound."""
    config = runtime.config.delivery
    left = config.sync_total_bytes
    bounded: dict[str, ChangesData] = {}
    for key, answer in answers.items():
        fitting = answer.within(min(left, config.sync_channel_bytes))
        left -= len(fitting.ready.json) if fitting.ready is not None else 0
        bounded[key] = fitting.data
    return bounded


async def join_channel(
    runtime: Runtime, session: LiveSession, key: str, after: int | None, respond: Callable[[JoinData], None]
) -> None:
    """Enter a channel that exists, or ask again what it looks like; `respond` in the turn in which it is entered.

    Raises NotFoundError, TooLargeError (too many channels), UnavailableError.
    """
    wanted = rules.parse_channel_key(key)
    limit = runtime.config.limits.channels_per_session
    if wanted not in session.channels and len(session.channels) >= limit:
        raise TooLargeError(f"A session is in at most {limit} channels.")
    found = await runtime.database.read(selectors.channel_access, user=session.user, key=wanted)
    async with runtime.feeds.pinned(wanted):
        answer = await runtime.feeds.answer_since(wanted, after) if after is not None else None
        await runtime.feeds.newest_ready(wanted)

        def on_applied(outcome: Outcome) -> None:
            if outcome.is_accepted:
                respond(_join_data(runtime, session, found, answer))

        await runtime.join(session, wanted, on_applied)


def _join_data(runtime: Runtime, session: LiveSession, found: ChannelAccess, answer: Changes | None) -> JoinData:
    key = found.channel.key
    feed = runtime.feeds.get(key)
    if feed is None:
        raise NotFoundError("There is no such channel.", why=Why.NO_SUCH_CHANNEL)
    members = runtime.members(key)
    config = runtime.config.delivery
    since = None
    if answer is not None:
        since = _seen_since(runtime, session, key, answer).within(config.sync_channel_bytes)
    missed = None if since is None else since.ready
    messages = missed.data if missed is not None else _newest(runtime, feed, _hidden(runtime, session, key))
    channel = _channel_data(runtime, found)
    channel["seq"], channel["number"] = feed.head, feed.recent.head_number
    head = Head(channel["number"], feed.recent.head_aside(found.channel.aside))
    channel["flow"] = head.flow
    if channel["role"] is not None:
        channel["unread"] = found.marker.unread(head)
    return {
        "channel": channel,
        "members": members["results"],
        "member_count": runtime.online_count(key),
        "members_next": members["next"],
        "messages": messages,
        "seq": feed.head,
        "reset": since is not None and missed is None,
    }


def _newest(runtime: Runtime, feed: Feed, hidden: Names) -> list[MessageData]:
    """The messages that a join shows, of a feed that newest_ready() was awaited for."""
    newest = feed.recent.newest(runtime.config.delivery.join_messages)
    if newest is None:
        raise UnavailableError("The channel can't be read.")
    if hidden:
        return messages_seen(map(orjson.loads, newest), hidden)
    return written(b"[" + b",".join(newest) + b"]")


async def list_members(runtime: Runtime, session: LiveSession, key: str, cursor: str | None) -> ListData[MemberData]:
    """A page of who is in a channel that the user may read. Raises NotFoundError, BannedError, InvalidError."""
    wanted = rules.parse_channel_key(key)
    await runtime.database.read(selectors.channel_access, user=session.user, key=wanted)
    return runtime.members(wanted, cursor=cursor)


async def follow_channel(runtime: Runtime, session: LiveSession, key: str, level: str | None) -> ChannelData:
    """Belong to a channel for good, whether in it or not. Raises NotFoundError, BannedError."""
    return await change_channel(
        runtime, session, services.membership_join, key=rules.parse_channel_key(key), level=level
    )


async def unfollow_channel(runtime: Runtime, session: LiveSession, key: str) -> None:
    """Belong to it no longer, and leave it. Raises ConflictError (direct; its last owner)."""
    wanted = rules.parse_channel_key(key)
    await runtime.database.write(services.membership_leave, user=session.user, key=wanted)
    await leave_channel(runtime, session, wanted)


async def leave_channel(runtime: Runtime, session: LiveSession, key: str) -> None:
    """Repeating it changes nothing."""
    wanted = rules.parse_channel_key(key)
    if wanted in session.channels:
        await runtime.leave(session, wanted)


# -- Messages -----------------------------------------------------------------------------------------------------


def post_message(
    runtime: Runtime,
    session: LiveSession,
    *,
    key: str,
    text: object,
    nonce: str | None,
    reply_to: str | None,
    files: Sequence[str] = (),
    thread: str | None = None,
    also_in_channel: bool = False,
    respond: Callable[[Result], None],
    is_confirmed: bool | None = None,
) -> None:
    """Queue a message; `respond` in its place of the channel's order, after the commit. Never waits.

    Raises NotAMemberError, InvalidError, TooLargeError, UnavailableError (then `respond` is not called).
    """
    wanted = rules.parse_channel_key(key)
    if wanted not in session.channels:
        raise NotAMemberError
    checked = rules.check_text(text, max_chars=runtime.config.limits.text_chars, may_be_empty=bool(files))
    if nonce is not None:
        rules.check_nonce(nonce)
    rules.check_in_thread(thread, also_in_channel=also_in_channel)
    post = Post(
        session.user,
        wanted,
        checked,
        nonce,
        reply_to,
        session.info.session_id,
        files=check_files(files),
        thread=thread,
        also_in_channel=also_in_channel,
        is_confirmed=is_confirmed,
    )
    if hidden := _hidden(runtime, session, wanted):
        respond = partial(_respond_seen, respond, hidden)
    runtime.writer.submit(post, respond)


def _respond_seen(respond: Callable[[Result], None], hidden: Names, result: Result) -> None:
    """What was stored before may have reactions by now."""
    if isinstance(result, Stored):
        result = result._replace(message=message_seen(result.message, hidden))
    respond(result)


async def edit_message(runtime: Runtime, session: LiveSession, key: str, message_id: str, text: str) -> MessageData:
    limits = runtime.config.limits
    return await _changed(
        runtime,
        session,
        services.message_edit,
        key=key,
        message_id=message_id,
        text=rules.check_text(text, max_chars=limits.text_chars, may_be_empty=True),
        max_chars=limits.text_chars,
        window_s=limits.edit_window_s,
        text_rules=runtime.text_rules,
    )


async def delete_message(runtime: Runtime, session: LiveSession, key: str, message_id: str) -> MessageData:
    return await _changed(runtime, session, services.message_delete, key=key, message_id=message_id)


async def add_reaction(runtime: Runtime, session: LiveSession, key: str, message_id: str, emoji: str) -> MessageData:
    return await _changed(runtime, session, services.reaction_add, key=key, message_id=message_id, emoji=emoji)


async def remove_reaction(runtime: Runtime, session: LiveSession, key: str, message_id: str, emoji: str) -> MessageData:
    return await _changed(runtime, session, services.reaction_remove, key=key, message_id=message_id, emoji=emoji)


async def _changed(runtime: Runtime, session: LiveSession, service: Any, *, key: str, **fields: Any) -> MessageData:
    """Run the service; answer once this session's own stream has reached the change, never before."""
    wanted = rules.parse_channel_key(key)
    await runtime.hiding.ready(session.user.id, wanted)
    message: MessageData = await runtime.database.write(service, user=session.user, key=wanted, **fields)
    if wanted in session.channels:
        await runtime.feeds.reached(wanted, message["changed_seq"])
    return message_seen(message, _hidden(runtime, session, wanted))


async def list_messages(runtime: Runtime, session: LiveSession, key: str, marks: Mapping[str, Any]) -> MessagePageData:
    """A page by number, oldest first; one of over 128 KiB stops earlier, with has_more. `marks`: what
    selectors.messages_page() takes.
    """
    wanted = rules.parse_channel_key(key)
    await runtime.hiding.ready(session.user.id, wanted)
    if wanted in session.channels:
        # What it may hear it may read: no question to the store for each of many who page through the same.
        page = await runtime.feeds.history_page(wanted, marks, PAGE_BYTES)
        await runtime.feeds.reached(wanted, page.newest_change)
    else:
        found = await runtime.database.read(_readable_page, session.user, wanted, marks)
        page = HistoryPage(found.messages, has_more=found.has_more, max_bytes=PAGE_BYTES, keep_oldest="after" in marks)
    return {"messages": page.ready.seen(_hidden(runtime, session, wanted)).data, "has_more": page.has_more}


async def search_messages(runtime: Runtime, session: LiveSession, asked: Mapping[str, str | None]) -> HitsData:
    """A page of what answers a query; `asked`: as chat.domain.search has it. Raises UnavailableError where too many
    search in this process, and what chat.search.finding raises.
    """
    filters = filters_of(asked)
    if runtime.searching >= SEARCHES_WAITING:
        raise UnavailableError("Too many are searching.")
    runtime.searching += 1
    try:
        async with runtime.search_turns:
            return await runtime.database.read(
                messages_search, user=session.user, q=asked["q"] or "", filters=filters, cursor=asked["cursor"]
            )
    finally:
        runtime.searching -= 1


def _readable_page(user: UserRef, key: ChannelKey, marks: Mapping[str, Any]) -> selectors.MessagePage:
    found = selectors.channel_access(user=user, key=key)
    return selectors.messages_page(found.channel.id, **marks)


async def list_edits(runtime: Runtime, session: LiveSession, key: str, message_id: str) -> ListData[EarlierTextData]:
    """What a message said before, to its author and to moderators. Raises ForbiddenError."""
    wanted = rules.parse_channel_key(key)
    return await runtime.database.read(selectors.earlier_texts, user=session.user, key=wanted, message_id=message_id)


# -- Pins ---------------------------------------------------------------------------------------------------------
# Their answers have messages from anywhere in the channel, so no cursor is moved by them, and none is waited for.


async def add_pin(runtime: Runtime, session: LiveSession, key: str, message_id: str) -> PinData:
    wanted = rules.parse_channel_key(key)
    return await runtime.database.write(services.pin_add, user=session.user, key=wanted, message_id=message_id)


async def remove_pin(runtime: Runtime, session: LiveSession, key: str, message_id: str) -> None:
    wanted = rules.parse_channel_key(key)
    await runtime.database.write(services.pin_remove, user=session.user, key=wanted, message_id=message_id)


async def list_pins(runtime: Runtime, session: LiveSession, key: str) -> ListData[PinData]:
    """The pinned messages, the newest pin first."""
    wanted = rules.parse_channel_key(key)
    return await runtime.database.read(selectors.pins_list, user=session.user, key=wanted)


async def sync(
    runtime: Runtime,
    session: LiveSession,
    cursors: Mapping[str, int],
    respond: Callable[[dict[str, ChangesData]], None],
) -> None:
    """What changed in each channel since its cursor, or a reset; never a part. Unknown channels are absent."""
    asked = [ChannelKey(key) for key in cursors]
    found = await runtime.database.read(selectors.channels_access, user=session.user, keys=asked)
    keys = [each.channel.key for each in found if each.channel.key in cursors]
    await runtime.hiding.ready(session.user.id, *keys)
    async with runtime.feeds.pinned(*keys):
        answers = {key: await runtime.feeds.answer_since(key, cursors[key]) for key in keys}
        respond(_bounded(runtime, {key: _seen_since(runtime, session, key, answers[key]) for key in keys}))


async def mark_read(runtime: Runtime, session: LiveSession, key: str, number: int, *, is_back: bool) -> ReadData:
    wanted = rules.parse_channel_key(key)
    return await runtime.database.write(
        services.read_mark,
        user=session.user,
        key=wanted,
        number=number,
        is_back=is_back,
        session_id=session.info.session_id,
    )


# -- Threads ------------------------------------------------------------------------------------------------------


async def follow_thread(runtime: Runtime, session: LiveSession, key: str, thread: str) -> ThreadData:
    """Be told of what is said there. Raises NotFoundError, BannedError, InvalidError (that is a reply)."""
    wanted = rules.parse_channel_key(key)
    return await runtime.database.write(services.thread_follow, user=session.user, key=wanted, thread=thread)


async def unfollow_thread(runtime: Runtime, session: LiveSession, key: str, thread: str) -> ThreadData:
    wanted = rules.parse_channel_key(key)
    return await runtime.database.write(services.thread_unfollow, user=session.user, key=wanted, thread=thread)


async def mark_thread_read(
    runtime: Runtime, session: LiveSession, key: str, thread: str, number: int
) -> ThreadReadData:
    return await runtime.database.write(
        services.thread_read,
        user=session.user,
        key=rules.parse_channel_key(key),
        thread=thread,
        number=number,
        session_id=session.info.session_id,
    )


# -- Channels -----------------------------------------------------------------------------------------------------


async def list_channels(
    runtime: Runtime, session: LiveSession, search: str | None, cursor: str | None
) -> ListData[ChannelData]:
    return await runtime.database.read(
        selectors.channel_list, user=session.user, online=runtime.online_count, search=search, cursor=cursor
    )


async def change_channel(runtime: Runtime, session: LiveSession, service: Any, **fields: Any) -> ChannelData:
    """A service that changes a channel, or what the user is to it; answered with the channel."""
    found = await runtime.database.write(service, user=session.user, **fields)
    return _channel_data(runtime, found)


# -- What is not stored -------------------------------------------------------------------------------------------


async def set_status(runtime: Runtime, session: LiveSession, status: Status) -> None:
    if session.status is not status:
        await runtime.set_status(session, status)


def tell_typing(runtime: Runtime, session: LiveSession, key: str, *, is_on: bool, thread: str | None = None) -> None:
    """Tell the others in the channel. Raises NotAMemberError, NotFoundError (no message has such an id)."""
    wanted = rules.parse_channel_key(key)
    if wanted not in session.channels:
        raise NotAMemberError
    data = TypingData(username=session.user.username, on=is_on)
    if thread is not None:
        data["thread"] = str(selectors.parse_message_id(thread))
    event = Event(EventType.TYPING, wanted, data)
    runtime.broadcast.ephemeral(event, Audience(channel=wanted, exclude=session.info.session_id))
