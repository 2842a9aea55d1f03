"""How far a long command has come: a bar on a terminal, else a line now and then (for logs)."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

BAR_CHARS = 30
BAR_S = 0.1
LINE_S = 10.0


class Progress:
    """advance() as work is done, done() at the end. `total` None: nobody knows it. `write` adds nothing of its own."""

    def __init__(
        self,
        write: Callable[[str], object],
        what: str,
        total: int | None,
        *,
        is_terminal: bool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._what = what
        self._total = total
        self._clock = clock
        self._is_terminal = is_terminal
        self._started = clock()
        self._shown = self._started
        self.count = 0

    def advance(self, count: int = 1) -> None:
        """So many more are done."""
        self.count += count
        now = self._clock()
        if now - self._shown >= (BAR_S if self._is_terminal else LINE_S):
            self._shown = now
            self._write(f"\r{self._bar()}" if self._is_terminal else f"{self._line()}\n")

    def done(self) -> None:
        """The last word: how many, and how fast."""
        seconds = max(self._clock() - self._started, 0.001)
        if self._is_terminal:
            self._write("\r\x1b[K")
        self._write(f"{self._what}: {self.count:,} in {seconds:.1f} s ({self.count / seconds:,.0f}/s)\n")

    def _line(self) -> str:
        of = f" of {self._total:,}" if self._total is not None else ""
        return f"{self._what}: {self.count:,}{of}"

    def _bar(self) -> str:
        if not self._total:
            return self._line()
        share = min(self.count / self._total, 1.0)
        full = int(share * BAR_CHARS)
        return f"{self._what} [{'#' * full}{'.' * (BAR_CHARS - full)}] {share:4.0%} {self.count:,}/{self._total:,}"


def for_command(out: Any, what: str, total: int | None) -> Progress:
    """Progress on the stdout or stderr of a management command, which would end each piece with a new line."""

    def write(text: str) -> None:
        out.write(text, ending="")
        out.flush()

    return Progress(write, what, total, is_terminal=out.isatty())
