"""MessageSource: how a live WebSocket's messages come to an application at once, instead of by way of receive().

The server puts one into each websocket scope; offer_messages() and tell_of_end() find it there. Where there is none (a
server of somebody else's), and whenever the application is busy, messages come by receive(), as ASGI has it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

MESSAGES_EXTENSION = "reaktor.messages"
"""The name under which `scope["extensions"]` holds the source."""

Take = Callable[[str | bytes], bool]
OnEnd = Callable[[int], None]
OnPong = Callable[[bytes], None]


class MessageSource(Protocol):
    """The messages of one WebSocket, as the server reads them."""

    def offer_to(self, take: Take) -> None:
        """Call `take` with each message that comes while the application waits in receive(), and nothing else is due.

        True: it is done with. False: it comes by receive(). What `take` raises, receive() raises. It is called in the
        context of the task that offered, and must not wait. So the order of messages is the same as without it.
        """

    def tell_of_end(self, on_end: OnEnd) -> None:
        """Call `on_end` with the close code when the client says no more: it closed, or sent what is not allowed.

        It is called when the application has received all that came before. The connection stays open then, for the
        answers that are still to come: until the application closes it, or for a second. Without this it is closed as
        soon as the application waits in receive().
        """

    def tell_of_pongs(self, on_pong: OnPong) -> None:
        """Call `on_pong` with the payload of each pong, as it is read. It must not wait."""


def offer_messages(scope: Mapping[str, Any], take: Take) -> None:
    """Have the server of this websocket scope offer its messages, where it can."""
    if (source := _source_of(scope)) is not None:
        source.offer_to(take)


def tell_of_end(scope: Mapping[str, Any], on_end: OnEnd) -> None:
    """Have the server of this websocket scope tell of its client's end, where it can."""
    if (source := _source_of(scope)) is not None:
        source.tell_of_end(on_end)


def tell_of_pongs(scope: Mapping[str, Any], on_pong: OnPong) -> None:
    """Have the server of this websocket scope tell of pongs, where it can."""
    if (source := _source_of(scope)) is not None:
        source.tell_of_pongs(on_pong)


def _source_of(scope: Mapping[str, Any]) -> MessageSource | None:
    source: MessageSource | None = (scope.get("extensions") or {}).get(MESSAGES_EXTENSION)
    return source
