"""Signals of the supervisor as verbs, and what a SIGHUP means.

SIGTERM, SIGINT: stop. SIGHUP: reload, or stop when it came because the terminal is gone. SIGTTIN, SIGTTOU: one
worker more, one less.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
from contextlib import suppress

from reaktor.cluster.failures import SupervisorError
from reaktor.cluster.supervisor import Supervisor

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


class Signals:
    """Installs the handlers on the running loop; each posts one verb to the supervisor's inbox."""

    def __init__(self, supervisor: Supervisor) -> None:
        self._supervisor = supervisor
        # Under nohup SIGHUP is ignored from the start, and a terminal that goes away is no reason to stop.
        self._minds_terminal = has_terminal() and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN
        self._verbs = {
            signal.SIGTERM: supervisor.stop,
            signal.SIGINT: supervisor.stop,
            signal.SIGHUP: self._on_hangup,
            signal.SIGTTIN: lambda: supervisor.scale_by(1),
            signal.SIGTTOU: lambda: supervisor.scale_by(-1),
        }

    def __enter__(self) -> Signals:
        loop = asyncio.get_running_loop()
        for number, verb in self._verbs.items():
            loop.add_signal_handler(number, self._supervisor.post, verb)
        return self

    def __exit__(self, *_: object) -> None:
        loop = asyncio.get_running_loop()
        for number in self._verbs:
            with suppress(ValueError, RuntimeError):
                loop.remove_signal_handler(number)

    def _on_hangup(self) -> None:
        if self._minds_terminal and not has_terminal():
            self._supervisor.stop()
            return
        try:
            self._supervisor.reload()
        except SupervisorError as error:
            logger.warning("SIGHUP: %s", error)
