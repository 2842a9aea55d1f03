"""What goes wrong inside Twisted, for our log: its observer of log events. Access lines and the like are let go.

An error that a client can cause must not fill a disk: each place is told once a minute, with how often it happened.
"""

from __future__ import annotations

import logging
import time
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

logger = logging.getLogger(__name__)

AGAIN_S = 60.0
PLACES = 200


class TwistedErrors:
    """Called with each log event of Twisted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[str, str, int], tuple[float, int]] = {}

    def __call__(self, event: Mapping[str, Any]) -> None:
        failure = event.get("log_failure")
        if failure is None:
            return
        error: BaseException = failure.value
        place = (type(error).__name__, *_raised_at(error.__traceback__))
        now = self._clock()
        told_at, unsaid = self._told.get(place, (-AGAIN_S, 0))
        if now - told_at < AGAIN_S:
            self._told[place] = (told_at, unsaid + 1)
            return
        if len(self._told) >= PLACES:
            self._told.clear()
        self._told[place] = (now, 0)
        often = f", {unsaid} times more since it was last told" if unsaid else ""
        said = event.get("log_format") or event.get("why") or "an error in Twisted"
        logger.error("%s: %r%s", said, error, often, exc_info=(type(error), error, error.__traceback__))


def _raised_at(raised: TracebackType | None) -> tuple[str, int]:
    frames = traceback.extract_tb(raised)
    return (frames[-1].filename, frames[-1].lineno or 0) if frames else ("", 0)
