"""The first lines of a sandboxed process: bound itself for good, then run the work. Run by reaktor.sandbox.sandbox.

`python -I launch.py BOUNDS WORK …`: BOUNDS is JSON, {"memory_bytes", "cpu_s", "output_bytes"}; WORK a Python file.
Imports the standard library alone. What the system does not bound (macOS knows no RLIMIT_AS) stays to the clock.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import runpy
import sys


def bound(memory_bytes: int, cpu_s: int, output_bytes: int) -> None:
    """Soft and hard, so that nothing in this process can lift it."""
    wanted = {
        resource.RLIMIT_AS: memory_bytes,
        resource.RLIMIT_CPU: cpu_s,
        resource.RLIMIT_FSIZE: output_bytes,
        resource.RLIMIT_CORE: 0,
    }
    for what, most in wanted.items():
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(what, (most, most))
    os.nice(5)  # the chat goes first


if __name__ == "__main__":
    bounds, work = sys.argv[1:3]
    bound(**json.loads(bounds))
    sys.argv = sys.argv[2:]
    runpy.run_path(work, run_name="__main__")
