"""Inbox: what an application will receive, in order; of a WebSocket a MessageSource, too.

The server puts ASGI messages in, the application takes them out by receive(). A WebSocket's protocol is told by
`on_taken` how many are left, so that it reads on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from reaktor.web.message_source import OnEnd, OnPong, Take


class Inbox:
    """`on_taken` is called with the number of messages left, whenever one was taken.

    No queue of asyncio: that has room for 64 messages and 64 tasks from the beginning, 2 KB for every connection.
    """

    __slots__ = ("_messages", "_offered", "_on_idle", "_on_taken", "_waiting", "on_end", "on_pong")

    def __init__(self, on_taken: Callable[[int], None] | None = None) -> None:
        self._messages: list[dict[str, Any] | Exception] = []
        self._waiting: list[asyncio.Future[None]] = []
        self._on_taken = on_taken
        self._offered: tuple[Context, Take] | None = None
        self._on_idle: Callable[[], object] | None = None
        self.on_end: OnEnd | None = None
        self.on_pong: OnPong | None = None

    async def receive(self) -> dict[str, Any]:
        """ASGI's receive()."""
        if self._on_idle is not None and not self._messages:
            call, self._on_idle = self._on_idle, None
            call()
        while not self._messages:
            waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(waiting)
            try:
                await waiting
            finally:
                self._waiting.remove(waiting)
        message = self._messages.pop(0)
        if self._on_taken is not None:
            self._on_taken(len(self._messages))
        if isinstance(message, Exception):
            raise message
        return message

    def put_nowait(self, message: dict[str, Any] | Exception) -> None:
        """One message, behind those that are there."""
        self._messages.append(message)
        for waiting in self._waiting:
            # All of them: whoever was woken for this may be cancelled before it looks.
            if not waiting.done():
                waiting.set_result(None)

    def clear(self) -> None:
        """Forget what nobody has taken."""
        self._messages.clear()

    def qsize(self) -> int:
        """How many messages the application has not taken."""
        return len(self._messages)

    def offer_to(self, take: Take) -> None:
        """See MessageSource."""
        self._offered = copy_context(), take

    def tell_of_end(self, on_end: OnEnd) -> None:
        """See MessageSource."""
        self.on_end = on_end

    def tell_of_pongs(self, on_pong: OnPong) -> None:
        """See MessageSource."""
        self.on_pong = on_pong

    def when_idle(self, call: Callable[[], object]) -> None:
        """Call it when the application has dealt with everything and waits for more; perhaps now, perhaps never."""
        if self._is_idle:
            call()
        else:
            self._on_idle = call

    @property
    def _is_idle(self) -> bool:
        # With something inside, whoever waits will be given that first.
        return bool(self._waiting) and not self._messages

    def put_message(self, message: str | bytes) -> None:
        """A WebSocket's message: taken at once, or put in."""
        if self._offered is not None and self._is_idle:
            context, take = self._offered
            try:
                if context.run(take, message):
                    return
            except Exception as error:  # noqa: BLE001  it is the application's
                self.put_nowait(error)
                return
        kind = "text" if isinstance(message, str) else "bytes"
        self.put_nowait({"type": "websocket.receive", kind: message})
