"""Signals to a server as verbs, and what a SIGHUP means.

SIGTERM, SIGINT: stop. SIGHUP: reload, or stop when it came because the terminal is gone. SIGTTIN, SIGTTOU: one
worker more, one less.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from reaktor.cluster.failures import SupervisorError

logger = logging.getLogger(__name__)


def has_terminal() -> bool:
    """Whether this process has a controlling terminal that still has someone at its other end."""
    try:
        terminal = os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        poll = select.poll()
        poll.register(terminal, 0)
        # macOS can't poll a terminal, and says POLLNVAL; there the one that is gone could not even be opened.
        return not any(events & (select.POLLHUP | select.POLLERR) for _, events in poll.poll(0))
    finally:
        os.close(terminal)


class TakesOrders(Protocol):
    """A supervisor, or the one process that is a whole server."""

    def post(self, verb: Callable[[], None]) -> None:
        """Carry out a verb in its turn."""

    def stop(self) -> None:
        """End in order; said twice: at once."""

    def reload(self) -> object:
        """Put new workers in the place of the old ones. Raises SupervisorError."""

    def scale_by(self, difference: int) -> None:
        """So many workers more, or less."""


class Signals:
    """Installs the handlers on the running loop; each posts one verb."""

    def __init__(self, server: TakesOrders) -> None:
        self._server = server
        # Under nohup SIGHUP is ignored from the start, and a terminal that goes away is no reason to stop.
        self._minds_terminal = has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._verbs = {
            signal.SIGTERM: server.stop,
            signal.SIGINT: server.stop,
            signal.SIGHUP: self._on_hangup,
            signal.SIGTTIN: lambda: server.scale_by(1),
            signal.SIGTTOU: lambda: server.scale_by(-1),
        }

    def __enter__(self) -> Signals:
        loop = asyncio.get_running_loop()
        for number, verb in self._verbs.items():
            loop.add_signal_handler(number, self._server.post, verb)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in self._verbs:
            with suppress(ValueError, RuntimeError):
                loop.remove_signal_handler(number)

    def _on_hangup(self) -> None:
        if self._minds_terminal and not has_terminal():
            self._server.stop()
            return
        try:
            self._server.reload()
        except SupervisorError as error:
            logger.warning("SIGHUP: %s", error)
