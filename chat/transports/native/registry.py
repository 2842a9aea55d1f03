"""The handlers by the name of their operation; handlers.py and moderation.py fill it, the consumer looks them up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from chat.transports.native.native_session import NativeSession
from chat.transports.native.protocol import Request

if TYPE_CHECKING:
    from chat.transports.native.consumer import NativeConsumer

Handler = Callable[["NativeConsumer", NativeSession, Request], Awaitable[None]]
HANDLERS: dict[str, Handler] = {}


def handles(name: str) -> Callable[[Handler], Handler]:
    """A decorator: this function handles that operation."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register
