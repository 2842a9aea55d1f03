"""Rounds: what is compared with the store again and again, a slice of it at a time."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Generic, TypeVar

T = TypeVar("T")
TICK_S = 1.0


class Round(Generic[T]):
    """All of what changes, in slices: once around takes `period_s`, a slice each TICK_S."""

    def __init__(self, period_s: float, read: Callable[[], list[T]]) -> None:
        self._slices = ceil(period_s / TICK_S)
        self._read = read
        self._left: list[T] = []
        self._size = 0

    def next(self) -> list[T]:
        if not self._left:
            self._left = self._read()
            self._size = ceil(len(self._left) / self._slices)
        found, self._left = self._left[: self._size], self._left[self._size :]
        return found
