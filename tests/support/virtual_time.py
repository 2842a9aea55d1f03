"""An event loop whose clock jumps: whatever sleeps is woken at once, in order, and nothing waits for real.

For code that reads time only from its loop (or from a clock it is handed). Threads and sockets have no place in it.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _JumpingSelector(selectors.DefaultSelector):  # type: ignore[name-defined,misc]  # its class depends on the system
    """Instead of waiting for the next timer it moves the loop's clock there."""

    skipped_s = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout is not None and timeout > 0:
            self.skipped_s += timeout
            timeout = 0
        return super().select(timeout)


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """time() starts at 1000 and moves only by jumps; a program that waits for nothing at all would hang for real."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return 1_000.0 + self._jumping.skipped_s


def run_in_virtual_time(main: Coroutine[Any, Any, T]) -> T:
    """asyncio.run() in a loop of its own, whose time is virtual."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
