"""A run that goes on when something fails: each measurement has a time limit, and why it failed is noted.

A scenario measures through its Journal, and hands `failures` over in its Section.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")
LONGEST_S = 240.0
WHY_CHARS = 300


class Journal:
    """`failures`: what could not be measured, and why."""

    def __init__(self) -> None:
        self.failures: dict[str, str] = {}

    def measure(self, name: str, work: Callable[[], T], limit_s: float = LONGEST_S) -> T | None:
        """What `work` returns; None when it failed or took longer."""
        print(f"{name} … ", end="", flush=True)
        started = time.monotonic()
        try:
            with time_limit(limit_s):
                found = work()
        except Exception as error:  # noqa: BLE001  whatever it is, the rest is to be measured
            self.failures[name] = f"{type(error).__name__}: {error}".replace("\n", " ")[:WHY_CHARS]
            print(f"failed: {self.failures[name]}", flush=True)
            return None
        print(f"{time.monotonic() - started:.0f} s", flush=True)
        return found


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TimeoutError in the main thread when what stands inside takes longer. Not inside another one."""

    def on_alarm(number: int, frame: FrameType | None) -> None:
        del number, frame
        raise TimeoutError(f"took longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, on_alarm)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
