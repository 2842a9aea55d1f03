"""The chat server's workers, with one bad habit: they die at the worst moment of a message that asks for it.

`die before the acknowledgement`: committed, nobody told. `die after the acknowledgement`: the author and the sessions
of this worker have it, the bus does not. For tests.support.run_chat_cluster; the server itself has no such hook.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Sequence

from chat.delivery.wire import DURABLE_KIND
from chat.posting.writer import Committed
from reaktor.asgi import NodeRuntime, application
from reaktor.asgi import create_runtime as create_healthy_runtime
from reaktor.cluster.contract import Place
from reaktor.process.bus import Saying

__all__ = ["application", "create_runtime"]

BEFORE = "die before the acknowledgement"
AFTER = "die after the acknowledgement"
LAST_FRAMES_S = 0.2


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def create_runtime(place: Place) -> NodeRuntime:
    """The real runtime; what it does after a commit, and what it says on the bus, pass by here."""
    runtime = create_healthy_runtime(place)
    on_stored, broadcast_all = runtime.writer._on_stored, runtime.bus.broadcast_all

    def dying_on_stored(committed: Sequence[Committed]) -> None:
        if any(each.post.text == BEFORE and not each.stored.is_duplicate for each in committed):
            _die()
        on_stored(committed)

    async def dying_broadcast(sayings: Sequence[Saying]) -> None:
        if any(kind == DURABLE_KIND and AFTER in str(body) for _, kind, body in sayings):
            await asyncio.sleep(LAST_FRAMES_S)
            _die()
        await broadcast_all(sayings)

    runtime.writer._on_stored = dying_on_stored
    runtime.bus.broadcast_all = dying_broadcast  # type: ignore[method-assign]
    return runtime
