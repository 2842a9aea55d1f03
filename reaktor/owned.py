"""Work that ends with its owner: a task in a group that may be going down, a call on its way to a thread.

Used by whatever starts work for others: the runtime and the supervisor (spawn), Django's threads and the database's
(Job). Nothing here waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def spawn(
    group: asyncio.TaskGroup | None, coroutine: Coroutine[Any, Any, None], name: str
) -> asyncio.Task[None] | None:
    """A task of the group. None: refused, since the group is not running, or is going down; the coroutine is closed.

    A group that goes down waits for its tasks, and meanwhile others may still ask for new ones. It refuses them with
    a RuntimeError, which would end the asker, and leaves the coroutine behind.
    """
    if group is not None:
        try:
            return group.create_task(coroutine, name=name)
        except RuntimeError:
            pass
    coroutine.close()
    return None


class Job(Generic[T]):
    """One call on its way to a thread. It is made or cancelled, never both: whoever pops it has it."""

    def __init__(self, call: Callable[[], T]) -> None:
        self._calls = [call]

    def __call__(self) -> T | None:
        """Make the call, in the thread; None when it was cancelled before."""
        try:
            call = self._calls.pop()
        except IndexError:
            return None
        return call()

    def cancel(self) -> bool:
        """Whether no thread has begun it; then none ever will."""
        try:
            self._calls.pop()
        except IndexError:
            return False
        return True
