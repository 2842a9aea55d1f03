"""Sandbox: runs one Python file as a process that has bounds on time, memory, output, and no environment.

Bytes go in by standard input and come out by standard output, both files: nothing is held in memory for it, and nobody
waits for a pipe. As many run at once as `Bounds` say, as many more wait, the rest is refused. Called in threads.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from reaktor.errors import ReaktorError, UnavailableError

MIB = 1024 * 1024
_LAUNCH = Path(__file__).with_name("launch.py")


class OverboundError(ReaktorError):
    """The work took more time, memory or room than it may, or broke. Its process is gone."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one run may take, and how many of them. `wall_s` ends it whatever it waits for."""

    memory_bytes: int = 768 * MIB
    cpu_s: int = 10
    wall_s: float = 20.0
    output_bytes: int = MIB
    running: int = 2
    waiting: int = 8
    wait_s: float = 10.0


class Sandbox:
    """One per process of ours and kind of work."""

    def __init__(self, work: Path, bounds: Bounds = Bounds()) -> None:
        self._work = work
        self._bounds = bounds
        self._places = threading.BoundedSemaphore(bounds.running + bounds.waiting)
        self._turns = threading.BoundedSemaphore(bounds.running)

    def run(self, source: IO[bytes], *arguments: str) -> bytes:
        """What the work wrote, at most `output_bytes`. `source`: a real file, read from where it stands.

        Raises OverboundError, UnavailableError (too many at once).
        """
        if not self._places.acquire(blocking=False):
            raise UnavailableError
        try:
            if not self._turns.acquire(timeout=self._bounds.wait_s):
                raise UnavailableError
            try:
                return self._run(source, arguments)
            finally:
                self._turns.release()
        finally:
            self._places.release()

    def _run(self, source: IO[bytes], arguments: tuple[str, ...]) -> bytes:
        bounds = self._bounds
        limits = {"memory_bytes": bounds.memory_bytes, "cpu_s": bounds.cpu_s, "output_bytes": bounds.output_bytes}
        command = [sys.executable, "-I", str(_LAUNCH), json.dumps(limits), str(self._work), *arguments]
        with tempfile.TemporaryFile() as output:
            try:
                done = subprocess.run(  # noqa: S603  our own files, in a list
                    command,
                    stdin=source,
                    stdout=output,
                    stderr=subprocess.DEVNULL,
                    env={},
                    cwd="/",
                    start_new_session=True,
                    timeout=bounds.wall_s,
                    check=False,
                )
            except subprocess.TimeoutExpired:  # run() has killed it, and waited for its end
                raise OverboundError from None
            if done.returncode != 0:
                raise OverboundError
            output.seek(0)
            return output.read(bounds.output_bytes)
