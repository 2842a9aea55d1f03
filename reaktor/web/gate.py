"""What a request must pass before a thread works on it, decided on the loop: how often, where to, and who asks.

A Gate stands before Django. It answers 429 (too many from this address, or of this user), 404 (no such path, no such
file) and 401 (no token, or none that is good) by itself, in Django's own words and with the same headers. What only the
database knows (is this token revoked? is there such a channel?) is left to the view. For other applications (Socket.IO,
WebSockets) may_begin() counts a handshake, and slow_failures() what is asked in vain.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Any, Protocol

from django.urls import Resolver404, ResolverMatch, resolve
from rest_framework.permissions import IsAuthenticated

from reaktor.addresses import address_group
from reaktor.errors import NotAuthenticatedError, NotFoundError, RateLimitedError, ReaktorError
from reaktor.limits.rates import Limit, Rates
from reaktor.limits.requests import RequestRates
from reaktor.web.edge import Edge
from reaktor.web.refusals import refusal
from reaktor.web.scope import DENIAL_EXTENSION, PEER, Receive, Scope, Send, came_privately

REST_S = 1.0
"""How long a 429 takes at least, as its Retry-After says: whoever does not read it is slowed down all the same.

At most twice as long, by chance: else all connections of a flood would come back in the same moment, each second.
"""

ASKED = "reaktor.asked"
"""Where a scope holds the Asked of a request that may run."""
KEPT_PATHS = 1_000
KEPT_PATH_CHARS = 200
"""The paths of which it is remembered where they lead: so many, none longer. Looking one up takes 30 to 60 µs."""

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Claims(Protocol):
    """What a token says."""

    @property
    def user_id(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Asked:
    """A view that wants a token, what it is asked about by the path, and what the token says."""

    view: type
    named: Mapping[str, Any]
    claims: Claims


class HeaderAuthentication(Protocol):
    """What a view's authentication must be able to say without the database."""

    @staticmethod
    def claims_in(header: str) -> Claims | None:
        """Of an Authorization header's value. None: there is no token. Raises NotAuthenticatedError."""


class Gate:
    """One per process that serves.

    `operations`: the rates that views count by. `is_file`: whether there is a file of this path, which WhiteNoise
    serves. `passed`: prefixes of paths that are not looked up here (pages with a 404 of their own). `https_only`: what
    comes over plain HTTP is sent elsewhere, whatever it asks for.
    """

    def __init__(
        self,
        application: Application,
        rates: RequestRates,
        edge: Edge,
        *,
        operations: Rates,
        is_file: Callable[[str], bool],
        passed: tuple[str, ...] = (),
        https_only: bool = False,
    ) -> None:
        self._application = application
        self._rates = rates
        self._edge = edge
        self._operations = operations
        self._is_file = is_file
        self._passed = passed
        self._https_only = https_only
        self._resolved = lru_cache(KEPT_PATHS)(resolve)

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Scopes of type http, for Django."""
        try:
            self._check(scope)
        except ReaktorError as error:
            await self._refuse(error, scope, send)
        else:
            await self._application(scope, receive, send)

    def _check(self, scope: dict[str, Any]) -> None:
        """Raises RateLimitedError, NotFoundError, NotAuthenticatedError; notes who asks for what in the scope."""
        address = "" if came_privately(scope) else str(scope["client"][0])
        scope[PEER] = f"address {address_group(address)}"
        if address:
            self._rates.check_address(address)
        if self._https_only and scope.get("scheme") != "https":
            return
        found = self._found(scope["path"])
        view = getattr(found.func, "cls", None) if found is not None else None
        if (
            found is None
            or view is None
            or scope["method"] == "OPTIONS"
            or IsAuthenticated not in view.permission_classes
            or _is_open(view, scope["method"])
        ):
            return
        authentications: Sequence[HeaderAuthentication] = view.authentication_classes
        for authentication in authentications:
            claims = authentication.claims_in(_authorization(scope))
            if claims is None:
                raise NotAuthenticatedError
            scope[PEER] = f"user {claims.user_id}"
            self._rates.check_user(claims.user_id)
            if isinstance(allowance := _allowance(view, scope["method"]), Limit):
                # The view counts, when it has checked the input.
                self._operations.check_left(allowance, claims.user_id)
            scope[ASKED] = Asked(view, found.kwargs, claims)

    def _found(self, path: str) -> ResolverMatch | None:
        """Where the path leads; None for what is not looked up here. Raises NotFoundError."""
        if path.startswith(self._passed) or self._is_file(path):
            return None
        try:
            return self._resolved(path) if len(path) <= KEPT_PATH_CHARS else resolve(path)
        except Resolver404:
            raise NotFoundError from None

    async def may_begin(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Count the handshake of a session or a WebSocket; False: it is too much, and was answered."""
        if came_privately(scope):
            return True
        try:
            self._rates.check_address(str(scope["client"][0]))
        except RateLimitedError as error:
            if scope["type"] == "websocket":
                await receive()
            await self._refuse(error, scope, send)
            return False
        return True

    def slow_failures(self, scope: Scope, send: Send) -> Send:
        """A send() for an application whose requests are not counted: refusals are, and beyond the rate they take long.

        For what belongs to a session, which has bounds of its own; only who names none that lives is told an error.
        """
        if came_privately(scope):
            return send
        address = str(scope["client"][0])

        async def slowly(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                try:
                    self._rates.check_address(address)
                except RateLimitedError:
                    await asyncio.sleep(_rest_s())
            await send(message)

        return slowly

    async def _refuse(self, error: ReaktorError, scope: Scope, send: Send) -> None:
        if isinstance(error, RateLimitedError):
            await asyncio.sleep(_rest_s())
        if scope["type"] == "http":
            await refusal(error, scope, self._edge).send(scope, send)
        elif DENIAL_EXTENSION in (scope.get("extensions") or {}):
            for message in refusal(error, scope, self._edge).messages():
                await send({**message, "type": f"websocket.{message['type']}"})
        else:
            await send({"type": "websocket.close"})


def _rest_s() -> float:
    return REST_S * (1 + random.random())  # noqa: S311  no secret


def _is_open(view: Any, method: str) -> bool:
    """Whether the method needs no token, or there is none of that name: then the view says so."""
    name = "get" if method == "HEAD" else method.lower()
    return name in getattr(view, "open_methods", ()) or not hasattr(view, name)


def _allowance(view: Any, method: str) -> Any:
    """What the operation declares that answers; None of a method that there is not."""
    asked = getattr(view, "get" if method == "HEAD" else method.lower(), None)
    return asked.operation.allowance if asked is not None else None


def _authorization(scope: Scope) -> str:
    """As Django puts it together where there are several."""
    return ",".join(value.decode("latin-1") for name, value in scope["headers"] if name == b"authorization")
