"""Answers to what is asked most over REST, from this process's memory: without Django, and without a thread.

FastGets stands between the gate and Django. It knows the seed contract's list of channels and, of a channel whose feed
is open here, the seed contract's messages by position and the newest ones of /api/v1. Whatever else is asked, and
whatever it may not or can't answer with a 200, goes on to Django, whose views decide and say why.

An answer is the view's own bytes, made by the same functions and shared by all its readers. It is made anew when its
channel has moved, and after FRESH_S in any case; whether a reader may have it, chat.live.standings knows. What has to
be read takes a thread of the live sessions' database, if one is free.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

from accounts.authentication import Claims
from chat.domain.ids import ChannelKey
from chat.live.runtime import Runtime, current
from chat.live.standings import FRESH_S
from chat.membership.protocol import Position
from chat.selectors import channel_number, public_channels
from chat.transports.fast_replies import BeforeDjango, Plain, read_now, state_of, username
from chat.transports.rest import messages as rest
from chat.transports.seed import channels as seed
from reaktor.errors import ReaktorError, UnavailableError
from reaktor.limits.rates import Limit
from reaktor.web.edge import Edge
from reaktor.web.gate import ASKED, Application, Asked
from reaktor.web.reply import Reply
from reaktor.web.scope import Scope

HELD_BYTES = 8 * 1024 * 1024
_RANGE = re.compile(rb"start=([0-9]{1,15})&end=([0-9]{1,15})")
_VIEWS = frozenset({seed.ChannelsView, seed.MessagesView, rest.MessagesView})
Listed = list[tuple[ChannelKey, str]]


@dataclass(frozen=True, slots=True)
class _Made:
    """What was read at `began`, or after it; `state`: what must not have changed since."""

    state: Hashable
    began: float
    value: Any
    size: int


class FastGets(BeforeDjango):
    """One per process that serves; scopes of type http that a Gate has let through."""

    def __init__(self, application: Application, edge: Edge, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(application)
        self._plain = Plain(edge)
        self._clock = clock
        self._made: OrderedDict[Hashable, _Made] = OrderedDict()
        self._held = 0
        self._reading: dict[Hashable, asyncio.Task[_Made]] = {}
        self._listed: tuple[Listed, Position, bytes] = ([], Position(0, 0), b"")

    async def _reply(self, scope: Scope) -> Reply | None:
        asked: Asked | None = scope.get(ASKED)
        if asked is None or asked.view not in _VIEWS or scope["method"] != "GET":
            return None
        origin, runtime = self._plain.origin(scope), current()
        if origin is None or runtime is None:
            return None
        try:
            body = await self._body(runtime, asked, scope["query_string"])
        except ReaktorError:
            return None
        return None if body is None else self._plain.reply(asked.view, origin, body)

    async def _body(self, runtime: Runtime, asked: Asked, query: bytes) -> bytes | None:
        if asked.view is seed.ChannelsView:
            return None if query else await self._channels(runtime, cast(Claims, asked.claims))
        if asked.view is rest.MessagesView:
            make = None if query else rest.newest_json
        else:
            given = _RANGE.fullmatch(query)
            make = partial(_seed_messages, start=int(given[1]), end=int(given[2])) if given else None
        key = ChannelKey(asked.named["key"])
        if make is None or state_of(runtime, key) is None:
            return None
        return await self._messages(runtime, cast(Claims, asked.claims), key, (asked.view, query), make)

    async def _channels(self, runtime: Runtime, claims: Claims) -> bytes | None:
        await username(runtime, claims, None, self._clock)
        read = partial(public_channels, runtime.config.limits.seed_channels)
        found: Listed = await self._get(runtime, "channels", runtime.broadcast.channels_changed, read)
        if not runtime.standings.holds(claims, None, self._clock()):
            return None
        for _ in range(seed.LIST_PAGES):
            runtime.rates.check_here(Limit.LISTS, claims.user_id)
        position = runtime.replica.position
        if self._listed[0] is not found or self._listed[1] != position:
            self._listed = (found, position, seed.listed(found, runtime.online_count))
        return self._listed[2]

    async def _messages(
        self, runtime: Runtime, claims: Claims, key: ChannelKey, what: Hashable, make: Callable[[int], bytes]
    ) -> bytes | None:
        await username(runtime, claims, key, self._clock)
        feed, state = runtime.feeds.get(key), state_of(runtime, key)
        if feed is None or state is None:
            return None
        body: bytes = await self._get(runtime, (key, what), state, partial(make, feed.channel_id))
        return body if runtime.standings.holds(claims, key, self._clock()) else None

    async def _get(self, runtime: Runtime, what: Hashable, state: Hashable, read: Callable[[], Any]) -> Any:
        """What was read while the state was this one, less than FRESH_S ago; once for all who ask for it meanwhile."""
        made = self._made.get(what)
        if made is not None and made.state == state and self._clock() - made.began < FRESH_S:
            return made.value
        task = self._reading.get((what, state))
        if task is None:
            task = asyncio.create_task(self._make(runtime, what, state, read), name=f"read {what}")
            self._reading[what, state] = task
            task.add_done_callback(partial(self._done, (what, state)))
        made = await asyncio.shield(task)
        if self._clock() - made.began >= FRESH_S:
            raise UnavailableError
        return made.value

    async def _make(self, runtime: Runtime, what: Hashable, state: Hashable, read: Callable[[], Any]) -> _Made:
        began = self._clock()
        value = await read_now(runtime, read)
        made = _Made(state, began, value, len(value) if isinstance(value, bytes) else 0)
        self._keep(what, made)
        return made

    def _keep(self, what: Hashable, made: _Made) -> None:
        before = self._made.pop(what, None)
        self._held += made.size - (before.size if before is not None else 0)
        self._made[what] = made
        while self._held > HELD_BYTES or next(iter(self._made.values())).began <= made.began - FRESH_S:
            self._held -= self._made.popitem(last=False)[1].size

    def _done(self, what: Hashable, task: asyncio.Task[_Made]) -> None:
        del self._reading[what]
        if not task.cancelled():
            task.exception()  # asked for, since whoever waited may be gone: asyncio would log it as an error


def _seed_messages(channel_id: int, *, start: int, end: int) -> bytes:
    return seed.messages_json(channel_id, channel_number(channel_id), start=start, end=end)
