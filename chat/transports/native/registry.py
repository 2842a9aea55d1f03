"""The handlers by the name of their operation, and what a handler is given of its connection.

handlers.py and moderation.py fill HANDLERS and AT_ONCE, the consumer looks them up. Nothing here knows the consumer.
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
HandlerAtOnce = Callable[[Context, NativeSession, Request], None]
AT_ONCE: dict[str, HandlerAtOnce] = {}
"""Those that wait for nothing, their rates included: called as the frame is read, before anything else is done."""


def handles(name: str) -> Callable[[Handler], Handler]:
    """A decorator: this function handles that operation."""

    def register(handler: Handler) -> Handler:
        HANDLERS[name] = handler
        return handler

    return register


def handles_at_once(name: str) -> Callable[[HandlerAtOnce], HandlerAtOnce]:
    """The same for a function that never waits."""

    def register(handler: HandlerAtOnce) -> HandlerAtOnce:
        AT_ONCE[name] = handler
        return handler

    return register
