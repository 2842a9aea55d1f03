"""A process whose clock is stepped while it runs: the time of day alone is another one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.clocks import clock, stepped
from tests.support.ports import wait_for

PROGRAM = """
import datetime, sys, time
for _ in sys.stdin:
    print(time.time(), datetime.datetime.now(datetime.UTC).timestamp(), time.monotonic(), flush=True)
"""
HOUR_S = 3_600


def test_the_time_of_day_steps_and_nothing_else(tmp_path: Path) -> None:
    library, file = clock(tmp_path), tmp_path / "offset"
    if library is None:
        pytest.skip("there is no C compiler here")
    file.write_text("+0\n")
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        env={**os.environ, **stepped(library, file)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None

        def off_by() -> float:
            process.stdin.write("\n")
            process.stdin.flush()
            before = time.time(), time.monotonic()
            seconds, also, counting = map(float, process.stdout.readline().split())
            assert seconds == pytest.approx(also, abs=1.0)
            assert counting == pytest.approx(before[1], abs=60.0)
            return seconds - before[0]

        assert abs(off_by()) < 60
        for step in (HOUR_S, -HOUR_S, 0):
            file.write_text(f"{step:+d}\n")
            wait_for(lambda step=step: abs(off_by() - step) < 60, 20, "the step")
        process.stdin.close()
