"""How far a long command has come: a bar on a terminal, else a line now and then (for logs)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

BAR_CHARS = 30
BAR_S = 0.1
LINE_S = 10.0


class Output(Protocol):
    """The part of a stream that is used; Django's command output has it."""

    def write(self, text: str, /) -> object: ...
    def isatty(self) -> bool: ...
    def flush(self) -> None: ...


class Progress:
    """advance() as work is done, done() at the end. `total` None: nobody knows it."""

    def __init__(
        self, out: Output, what: str, total: int | None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._out = out
        self._what = what
        self._total = total
        self._clock = clock
        self._is_terminal = out.isatty()
        self._started = clock()
        self._shown = self._started
        self.count = 0

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self.count += count
        now = self._clock()
        if now - self._shown >= (BAR_S if self._is_terminal else LINE_S):
            self._shown = now
            self._out.write(f"\r{self._bar()}" if self._is_terminal else f"{self._line()}\n")
            self._out.flush()

    def done(self) -> None:
        """The last word: how many, and how fast."""
        seconds = max(self._clock() - self._started, 0.001)
        if self._is_terminal:
            self._out.write("\r\x1b[K")
        self._out.write(f"{self._what}: {self.count:,} in {seconds:.1f} s ({self.count / seconds:,.0f}/s)\n")
        self._out.flush()

    def _line(self) -> str:
        of = f" of {self._total:,}" if self._total is not None else ""
        return f"{self._what}: {self.count:,}{of}"

    def _bar(self) -> str:
        if not self._total:
            return self._line()
        share = min(self.count / self._total, 1.0)
        full = int(share * BAR_CHARS)
        return f"{self._what} [{'#' * full}{'.' * (BAR_CHARS - full)}] {share:4.0%} {self.count:,}/{self._total:,}"
