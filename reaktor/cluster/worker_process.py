"""One incarnation of a worker as its supervisor sees it: the process, its link, its last life sign.

run() spawns, waits for the end, and reports; everything else is a question or an order. A process is spawned without
a place and given one by assign(), at once or, as a spare, when one is free. While it boots, the child's stderr comes
through here, so that a failed start can say why; when ready, the child writes to the terminal itself.
"""

from __future__ import annotations

import asyncio
import io
import logging
import os
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from reaktor.cluster.contract import NO_HOME, Home, Place
from reaktor.cluster.handoff import SupervisorEnd
from reaktor.cluster.packets import packet_pair
from reaktor.observe.metrics import Metrics

logger = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "reaktor.cluster.worker")
NOT_NEEDED = "is not needed any more"
STDERR_LINES = 30
RATE_BEATS = 6


class WorkerState(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    SPARE = "spare"
    READY = "ready"
    DRAINING = "draining"
    ENDING = "ending"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class Listener:
    """What a worker process tells its supervisor; each call names the worker."""

    on_ready: Callable[[WorkerProcess], None]
    on_gone: Callable[[WorkerProcess], None]
    on_room: Callable[[WorkerProcess], None]
    on_refused: Callable[[Any], None]


@dataclass(eq=False)
class WorkerProcess:
    """Slot and incarnation name it, once it has them (incarnation 0: not yet).

    `since` is when its state began, `started_at` when its start did, `beat_at` its last life sign (monotonic s).
    """

    listener: Listener
    slot: int = 0
    incarnation: int = 0
    home: Home = NO_HOME
    state: WorkerState = WorkerState.STARTING
    pid: int | None = None
    exit_code: int | None = None
    reason: str = ""
    has_booted: bool = False
    was_ready: bool = False
    status: dict[str, Any] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=dict)
    link: SupervisorEnd | None = None
    stderr_tail: deque[str] = field(default_factory=lambda: deque(maxlen=STDERR_LINES))
    started_at: float = field(default_factory=time.monotonic)
    since: float = field(default_factory=time.monotonic)
    beat_at: float = field(default_factory=time.monotonic)
    drain_until: float = 0.0
    _rates: deque[tuple[float, int]] = field(default_factory=lambda: deque(maxlen=RATE_BEATS))

    @property
    def name(self) -> str:
        return "spare" if self.is_spare else f"{self.slot}.{self.incarnation}"

    @property
    def is_spare(self) -> bool:
        """Whether it has no place yet."""
        return self.incarnation == 0

    @property
    def is_alive(self) -> bool:
        return self.state is not WorkerState.GONE

    @property
    def ought_to_beat(self) -> bool:
        """Whether its loop runs by now: not while it boots, nor while it waits for a place."""
        is_starting = self.state is WorkerState.STARTING and self.has_booted and not self.is_spare
        return is_starting or self.state in (WorkerState.READY, WorkerState.DRAINING)

    @property
    def messages_per_s(self) -> float:
        """Messages in and out over the last beats."""
        if len(self._rates) < 2:
            return 0.0
        (first_at, first), (last_at, last) = self._rates[0], self._rates[-1]
        return max(last - first, 0) / max(last_at - first_at, 0.001)

    async def run(self, arguments: tuple[str, ...], environment: Mapping[str, str]) -> None:
        """Spawn and see it through to its end, then tell the listener. Never raises for what the child does."""
        try:
            process, said = await self._spawn(arguments, environment)
        except OSError as error:
            self.reason = f"can't be started: {error}"
        else:
            try:
                await self._see_through(process, said)
            except asyncio.CancelledError:
                with suppress(ProcessLookupError):
                    process.kill()
                raise
        self._enter(WorkerState.GONE)
        self.listener.on_gone(self)

    async def _spawn(
        self, arguments: tuple[str, ...], environment: Mapping[str, str]
    ) -> tuple[asyncio.subprocess.Process, int]:
        """The process, and the end of a pipe at which its boot's stderr is read."""
        with ExitStack() as childs:
            ours, theirs = packet_pair()
            childs.callback(theirs.close)
            terminal = os.dup(2)
            childs.callback(os.close, terminal)
            # A pipe of our own: with one of asyncio's, wait() goes on for as long as a grandchild holds the other end,
            # and the worker's slot would stay empty.
            said, stderr = os.pipe()
            childs.callback(os.close, stderr)
            try:
                process = await asyncio.create_subprocess_exec(
                    *COMMAND,
                    *("--handoff", str(theirs.fileno()), "--stderr", str(terminal)),
                    *arguments,
                    stdin=asyncio.subprocess.DEVNULL,
                    stderr=stderr,
                    pass_fds=(theirs.fileno(), terminal),
                    # A terminal's Ctrl-C is for the supervisor alone; it ends the workers in its own time.
                    start_new_session=True,
                    env={**environment, "REAKTOR_WORKER": self.name},
                )
            except BaseException:
                ours.close()
                os.close(said)
                raise
        self.pid = process.pid
        self.link = SupervisorEnd(
            ours,
            on_booted=self._on_booted,
            on_ready=self._on_ready,
            on_beat=self._on_beat,
            on_room=lambda: self.listener.on_room(self),
            on_refused=self.listener.on_refused,
            on_closed=lambda: None,  # the process's exit follows, and says more
        )
        if not self.is_spare:
            self.link.assign(self._place)
        return process, said

    async def _see_through(self, process: asyncio.subprocess.Process, said: int) -> None:
        stream = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stream), io.FileIO(said)
        )
        pump = asyncio.create_task(self._pump(stream), name=f"stderr of worker {self.name}")
        try:
            self.exit_code = await process.wait()
            async with asyncio.timeout(1):
                await pump  # what it said last
        except TimeoutError:
            pass  # a grandchild holds the pipe open
        finally:
            pump.cancel()
            pipe.close()
            if self.link is not None:
                self.link.close()

    async def _pump(self, stream: asyncio.StreamReader) -> None:
        """Pass the boot's stderr on, and remember the end of it."""
        while line := await _line(stream):
            self.stderr_tail.append(line.decode(errors="replace").rstrip())
            with suppress(OSError):
                os.write(2, line)

    # What it says

    def _on_booted(self) -> None:
        self.has_booted = True
        self.beat_at = time.monotonic()
        if self.is_spare and self.state is WorkerState.STARTING:
            self._enter(WorkerState.SPARE)

    def _on_ready(self) -> None:
        if self.state is WorkerState.STARTING:
            self.was_ready = True
            self.beat_at = time.monotonic()
            self._enter(WorkerState.READY)
            self.listener.on_ready(self)

    def _on_beat(self, status: dict[str, Any]) -> None:
        self.beat_at = time.monotonic()
        self.status = status
        # A beat without them (a worker that could not tell) must not make a sum go backwards.
        self.metrics = status.get("metrics") or self.metrics
        self._rates.append((self.beat_at, int(status.get("messages_in", 0)) + int(status.get("messages_out", 0))))

    # What it is told

    @property
    def _place(self) -> Place:
        return Place(*self.home, self.slot, self.incarnation)

    def assign(self, home: Home, slot: int, incarnation: int) -> None:
        """Give it its place; its start counts from here. Once, while it boots or is a spare."""
        self.home, self.slot, self.incarnation = home, slot, incarnation
        self.started_at = self.beat_at = time.monotonic()
        self._enter(WorkerState.STARTING)
        if self.link is not None:
            self.link.assign(self._place)

    def drain(self, seconds: float) -> None:
        """Send its sessions away, then end."""
        if self.state is WorkerState.READY and self.link is not None:
            self._enter(WorkerState.DRAINING)
            self.drain_until = self.since + seconds
            self.link.drain(seconds)
        elif self.state in (WorkerState.STARTING, WorkerState.SPARE):
            self.end(NOT_NEEDED)

    def end(self, reason: str) -> None:
        """SIGTERM; the supervisor's watch follows with kill() when that doesn't help."""
        if self.state not in (WorkerState.ENDING, WorkerState.GONE):
            self.reason = reason
            self._enter(WorkerState.ENDING)
            self._signal(signal.SIGTERM)

    def kill(self) -> None:
        """SIGKILL, which also ends a stopped process; may be repeated."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        if self.pid is not None and self.is_alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def _enter(self, state: WorkerState) -> None:
        self.state = state
        self.since = time.monotonic()

    def epitaph(self) -> str:
        """Why it ended, in half a sentence."""
        if self.reason:
            return self.reason
        if self.exit_code is not None and self.exit_code < 0:
            return f"was ended by {signal.Signals(-self.exit_code).name}"
        said = next((line for line in reversed(self.stderr_tail) if line.strip()), "")
        how = f"exited with code {self.exit_code}"
        return f"{how}: {said}" if said and not self.was_ready else how


async def _line(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readline()
    except ValueError:
        return b"(a line too long to show)\n"  # readline has thrown it away


def revision_lag(said: Mapping[str, Any], authority: Mapping[str, Any]) -> int | None:
    """By how many changes a worker's replica was behind at its last beat; None where they can't be compared."""
    if "revision" in authority and "revision" in said and said.get("epoch") == authority.get("epoch"):
        return int(authority["revision"]) - int(said["revision"])
    return None
