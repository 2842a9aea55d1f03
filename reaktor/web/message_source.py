"""MessageSource: how a live WebSocket's messages come to an application at once, instead of by way of receive().

The server puts one into each websocket scope, and offer_messages() finds it there. Where there is none (a server of
somebody else's), and whenever the application is busy, messages come by receive(), as ASGI has it. Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

MESSAGES_EXTENSION = "reaktor.messages"
"""The name under which `scope["extensions"]` holds the source."""

Take = Callable[[str | bytes], bool]


class MessageSource(Protocol):
    """The messages of one WebSocket, as the server reads them."""

    def offer_to(self, take: Take) -> None:
        """Call `take` with each message that comes while the application waits in receive(), and nothing else is due.

        True: it is done with. False: it comes by receive(). What `take` raises, receive() raises. It is called in the
        context of the task that offered, and must not wait. So the order of messages is the same as without it.
        """


def offer_messages(scope: Mapping[str, Any], take: Take) -> None:
    """Have the server of this websocket scope offer its messages, where it can."""
    source: MessageSource | None = (scope.get("extensions") or {}).get(MESSAGES_EXTENSION)
    if source is not None:
        source.offer_to(take)
