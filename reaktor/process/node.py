"""The one global of a process: the node that is running in it, if any.

asgi.py installs it when the runtime starts and clears it when it stops. Synchronous code (views, services, admin)
reaches the loop through it with call(); where none runs (a management command, a unit test) current() is None.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, TypeVar

from reaktor.process.bus import Bus

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Node:
    """This process's loop, its bus and its application's runtime (typed by whoever installed it)."""

    loop: asyncio.AbstractEventLoop
    bus: Bus
    runtime: Any
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)
    """What is under way with nobody waiting for it (announce.py); held here, since a loop holds tasks weakly."""

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        """Run a plain function in the loop's thread, from any thread. Returns at once."""
        self.loop.call_soon_threadsafe(function, *args)

    def call(self, coroutine: Coroutine[Any, Any, T], timeout_s: float) -> T:
        """Run a coroutine in the loop and wait for it, from another thread. Raises TimeoutError."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(coroutine, self.loop)
        try:
            return future.result(timeout_s)
        except TimeoutError:
            future.cancel()
            raise


_current: Node | None = None


def current() -> Node | None:
    """The node running in this process, or None."""
    return _current


def install(node: Node) -> None:
    """Make `node` this process's node. Raises RuntimeError when another one is running."""
    global _current
    if _current is not None:
        raise RuntimeError("a node is already running in this process")
    _current = node


def clear() -> None:
    """Forget the node; may be repeated."""
    global _current
    _current = None
