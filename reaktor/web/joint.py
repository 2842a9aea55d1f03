"""One answer for all threads that ask for it at the same time: for what is dear to make, and the same for everybody.

Nobody is given an answer that was begun before they asked, so who has just changed something reads the change.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

T = TypeVar("T")


class Joint(Generic[T]):
    """Of those who ask while an answer is made, one makes the next, which is for all of them."""

    def __init__(self) -> None:
        self._joining = threading.Lock()
        self._making = threading.Lock()
        self._next: Future[T] = Future()

    def get(self, make: Callable[[], T]) -> T:
        """What make() gives, here or in another thread. Raises what it raises."""
        with self._joining:
            mine = self._next
        with self._making:
            if not mine.done():
                with self._joining:
                    self._next = Future()
                try:
                    mine.set_result(make())
                except Exception as error:  # noqa: BLE001  it is told to everybody who waits
                    mine.set_exception(error)
        return mine.result()
