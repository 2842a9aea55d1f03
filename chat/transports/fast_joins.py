"""The seed contract's join over REST, from this process's memory: without Django, and mostly without a thread.

FastJoins stands before Django, as FastGets does. It joins a channel whose feed is open here, for whoever may read it;
the rest (a channel that is to be made, a refusal) is for Django's view. It does what the view does, and in that order:
the token and the channel, the count, the join, the answer.

The answer shows the messages that the feed has delivered here. A session of the user on another worker may have
entered at a later place of the channel, and would miss what lies between: then the store is read, as the view does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from typing import cast

import orjson

from accounts.authentication import Claims
from chat import selectors
from chat.delivery.feed import Feed
from chat.domain.ids import ChannelKey, UserId
from chat.domain.sessions import Transport
from chat.live.runtime import Runtime, current
from chat.transports.fast_replies import BeforeDjango, Plain, state_of, username
from chat.transports.seed import channels as seed
from reaktor.errors import ReaktorError, UnavailableError
from reaktor.limits.rates import Limit
from reaktor.web.edge import Edge
from reaktor.web.gate import ASKED, Application, Asked
from reaktor.web.refusals import refusal
from reaktor.web.reply import Reply
from reaktor.web.scope import Scope


class FastJoins(BeforeDjango):
    """One per process that serves; scopes of type http that a Gate has let through."""

    def __init__(self, application: Application, edge: Edge, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(application)
        self._edge = edge
        self._plain = Plain(edge)
        self._clock = clock

    async def _reply(self, scope: Scope) -> Reply | None:
        asked: Asked | None = scope.get(ASKED)
        if asked is None or asked.view is not seed.JoinView or scope["method"] != "POST":
            return None
        origin, runtime, key = self._plain.origin(scope), current(), ChannelKey(asked.named["key"])
        if origin is None or runtime is None or state_of(runtime, key) is None:
            return None
        claims = cast(Claims, asked.claims)
        try:
            async with runtime.feeds.pinned(key):
                name = await username(runtime, claims, key, self._clock)
                await runtime.feeds.newest_ready(key)
                if state_of(runtime, key) is None:
                    return None
                return await self._joined(runtime, scope, asked, origin, key, name)
        except ReaktorError:
            return None

    async def _joined(
        self, runtime: Runtime, scope: Scope, asked: Asked, origin: str, key: ChannelKey, name: str
    ) -> Reply:
        """From here on it is counted, so that every refusal is said here."""
        user_id = UserId(asked.claims.user_id)
        try:
            async with asyncio.timeout(seed.JOIN_TIMEOUT_S):
                if runtime.rates.check_here(Limit.JOIN, user_id):
                    await runtime.database.read_once(runtime.rates.check_elsewhere, Limit.JOIN, user_id)
                feed = runtime.feeds.get(key)
                if feed is None:
                    raise UnavailableError
                others = await runtime.join_user(user_id, key, feed.head, limit=seed.MAX_MEMBERS)
                messages = await _messages(runtime, user_id, feed)
        except TimeoutError:
            return refusal(UnavailableError(), scope, self._edge)
        except ReaktorError as error:
            return refusal(error, scope, self._edge)
        members = seed.members_shown(name, runtime.status_of(user_id), others)
        return self._plain.reply(asked.view, origin, seed.joined_json(key, messages, members))


async def _messages(runtime: Runtime, user_id: UserId, feed: Feed) -> bytes:
    """The newest ones, as the answer has them, of a pinned feed."""
    if any(
        entry.info.worker != runtime.worker
        for entry in runtime.replica.sessions_of(user_id)
        if entry.info.transport is Transport.SOCKETIO
    ):
        page = await runtime.database.read(partial(selectors.messages_page, feed.channel_id, limit=seed.JOIN_MESSAGES))
        return seed.strings_json(page.messages)
    now, at_head = time.monotonic(), runtime.feeds.at_head
    made: bytes | None = at_head.get(feed.key, "joined", feed.head, now)
    if made is None:
        newest = feed.recent.newest(seed.JOIN_MESSAGES)
        if newest is None:
            raise UnavailableError("The channel can't be read.")
        made = seed.strings_json([orjson.loads(each) for each in newest])
        at_head.put(feed.key, "joined", feed.head, made, len(made), now)
    return made
