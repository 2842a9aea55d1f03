"""The handlers by the name of their operation, and what a handler is given of its connection.

handlers.py and moderation.py fill HANDLERS, the consumer looks them up. Nothing here knows the consumer.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from chat.live.runtime import Runtime
from chat.posting.batches import Result
from chat.transports.native.native_session import NativeSession
from chat.transports.native.protocol import Request


class Context(Protocol):
    """The connection that a request came by: the runtime to act on, and the ways to answer."""

    @property
    def runtime(self) -> Runtime: ...

    def answer(self, request: Request, data: Any) -> None:
        """Grant a request, behind everything that this session is sent in this turn."""

    def answer_stored(self, request: Request, result: Result) -> None:
        """The end of message.send, called by the writer in the message's place of the order."""


Handler = Callable[[Context, NativeSession, Request], Awaitable[None]]
HANDLERS: dict[str, Handler] = {}


def handles(name: str) -> Callable[[Handler], Handler]:
    """A decorator: this function handles that operation."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register
