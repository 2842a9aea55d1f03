"""What answers without Django share: which requests are plain enough, the answer's headers, and whose request it is.

Used by chat.transports.fast_gets and fast_joins, in the loop. Whatever is not plain goes on to Django, whose views
decide and say why.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from functools import lru_cache, partial
from typing import Any, TypeVar

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from accounts.authentication import Claims, user_for_claims
from chat.domain import rules
from chat.domain.ids import ChannelKey
from chat.live.runtime import Runtime
from chat.selectors import channel_access, user_ref
from chat.transports.rest import messages as rest
from chat.transports.seed import channels as seed
from reaktor.errors import UnavailableError
from reaktor.web.edge import Edge
from reaktor.web.gate import Application
from reaktor.web.reply import JSON_TYPE, Header, Reply
from reaktor.web.scope import Receive, Scope, Send

T = TypeVar("T")

KEPT_HEADERS = 200
MAX_WAITING = 32
"""Reads that run or wait, live sessions' among them, which would wait too long behind more."""
_UNUSUAL = frozenset({b"host", b"origin", b"content-length", b"transfer-encoding"})
"""Headers that are never there twice, and what says that a request has a body."""
_PATHS: dict[type, str] = {
    seed.ChannelsView: "/channels",
    seed.MessagesView: "/channels",
    seed.JoinView: "/channels",
    rest.MessagesView: "/api/v1/channels",
}
"""The views that are answered for, and where: answers below one of these paths have the same headers."""


class BeforeDjango(ABC):
    """Stands before Django, whose application is called where there is no reply."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reply = await self._reply(scope)
        if reply is None:
            await self._application(scope, receive, send)
        else:
            await reply.send(scope, send)

    @abstractmethod
    async def _reply(self, scope: Scope) -> Reply | None:
        """None: it is for Django, and nothing was done yet."""


class Plain:
    """Of one server: requests that Django need not look at, and answers to them."""

    def __init__(self, edge: Edge) -> None:
        self._is_https_alone = edge.hsts_s > 0
        self._headers = lru_cache(KEPT_HEADERS)(partial(_headers, edge))
        self._is_host = lru_cache(KEPT_HEADERS)(is_served_host)

    def origin(self, scope: Scope) -> str | None:
        """The page that asks ("": none). None: there is something about the request that Django must look at."""
        if self._is_https_alone and scope["scheme"] != "https":
            return None
        host, origin = b"", b""
        for name, value in scope["headers"]:
            if name == b"host" and not host:
                host = value
            elif name == b"origin" and not origin:
                origin = value
            elif name in _UNUSUAL and (name, value) != (b"content-length", b"0"):
                return None
        return origin.decode("latin-1") if self._is_host(host) else None

    def reply(self, view: type, origin: str, body: bytes) -> Reply:
        """The view's answer with status 200 to a page of this origin."""
        return Reply(200, [*self._headers(view, origin), (b"content-length", b"%d" % len(body))], body)


def is_served_host(host: bytes) -> bool:
    """Whether Django serves under this name."""
    request = HttpRequest()
    request.META["HTTP_HOST"] = host.decode("latin-1")
    try:
        request.get_host()
    except DisallowedHost:
        return False
    return bool(host)


def _headers(edge: Edge, view: Any, origin: str) -> list[Header]:
    """Of the view's answers to a page of this origin, but for their length."""
    shown = view()
    shown.setup(HttpRequest())  # which says that there is HEAD where there is GET
    allowed = ", ".join(shown.allowed_methods)
    return [(b"content-type", JSON_TYPE), (b"allow", allowed.encode()), *edge.headers(_PATHS[view], origin)]


def state_of(runtime: Runtime, key: ChannelKey) -> Hashable | None:
    """Changes whenever the channel's messages do; None: nobody is told here when they do, or not all see the same."""
    if rules.is_direct_key(key):
        # A few people read it, and something may be hidden from some of them: there is nothing to share.
        return None
    feed = runtime.feeds.get(key)
    return None if feed is None or feed.has_hole else (feed.head, runtime.feeds.pages.version(key))


async def read_now(runtime: Runtime, function: Callable[[], T]) -> T:
    """Raises UnavailableError where live sessions have enough to read; Django has threads of its own."""
    if runtime.database.waiting["read"] >= MAX_WAITING:
        raise UnavailableError
    return await runtime.database.read(function)


async def username(runtime: Runtime, claims: Claims, key: ChannelKey | None, clock: Callable[[], float]) -> str:
    """What the token's user is called, who may read the channel (None: of no channel).

    Raises what the view would, for a token or a channel that is not the reader's.
    """
    standings, began = runtime.standings, clock()
    name = standings.username(claims, key, began)
    if name is None:
        version = standings.version
        name = await read_now(runtime, partial(_stored_username, claims, key))
        standings.note(claims, key, name, began, version)
    return name


def _stored_username(claims: Claims, key: ChannelKey | None) -> str:
    """Raises BannedError, NotAuthenticatedError, NotFoundError."""
    user = user_ref(user_for_claims(claims))
    if key is not None:
        channel_access(user=user, key=rules.parse_channel_key(key))
    return user.username
