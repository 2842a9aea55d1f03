"""Inside a process that is measured: says what it holds when asked. Python imports it because of PYTHONPATH alone.

`benchmarks.soak --objects` sets SOAK_INSIDE to a directory. A thread looks there for the file `ask` once a second; its
text names the answer: <pid>.<text>.json with the objects by type, the largest containers, malloc's figures in MB, and,
with PYTHONTRACEMALLOC set, the lines whose memory grew since the first answer.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from collections import Counter
from contextlib import suppress
from pathlib import Path

FIGURES = "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost"
"""glibc's struct mallinfo2: `arena` came from the system, of it `uordblks` in use, `fordblks` free; `hblkhd` mapped."""
LARGEST, LINES = 12, 40


class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in FIGURES.split()]


def heap() -> dict[str, float]:
    libc = ctypes.CDLL(None)
    libc.mallinfo2.restype = Mallinfo
    found = libc.mallinfo2()
    figures = {name: round(getattr(found, name) / 1e6, 2) for name in ("arena", "uordblks", "fordblks", "hblkhd")}
    return {
        **figures,
        "sqlite": round(sqlite_bytes() / 1e6, 2),
        "blocks": sys.getallocatedblocks(),
        "threads": threading.active_count(),
    }


def sqlite_bytes() -> int:
    """What SQLite has of malloc's memory, over all connections; 0 where the library isn't found."""
    try:
        used = ctypes.CDLL("libsqlite3.so.0").sqlite3_memory_used
    except (OSError, AttributeError):
        return 0
    used.restype = ctypes.c_int64
    return int(used())


def largest(objects: list[object]) -> list[str]:
    """Type, length and size of the largest plain containers."""
    containers = [each for each in objects if type(each) in (dict, list, set)]
    containers.sort(key=sys.getsizeof, reverse=True)
    found = []
    for each in containers[:LARGEST]:
        kind = type(next(iter(each), None)).__qualname__  # type: ignore[call-overload]
        found.append(f"{type(each).__name__} of {len(each)} {kind}: {sys.getsizeof(each)} bytes")  # type: ignore[arg-type]
    return found


def answer(target: Path, before: tracemalloc.Snapshot | None) -> tracemalloc.Snapshot | None:
    """Write down what there is now; returns the picture to compare the next one with."""
    gc.collect()
    objects = gc.get_objects()
    types = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in objects)
    said = {"name": " ".join(sys.argv)[:60], "heap": heap(), "types": types, "largest": largest(objects), "lines": []}
    del objects
    taken = tracemalloc.take_snapshot() if tracemalloc.is_tracing() else None
    if taken is not None and before is not None:
        said["lines"] = [str(each) for each in taken.compare_to(before, "lineno")[:LINES]]
    target.write_text(json.dumps(said))
    return taken if before is None else before


def watch(directory: Path) -> None:
    word, before = "", None
    while True:
        time.sleep(1)
        with suppress(OSError):
            asked = (directory / "ask").read_text()
            if asked and asked != word:
                word = asked
                before = answer(directory / f"{os.getpid()}.{word}.json", before)


if "SOAK_INSIDE" in os.environ:
    threading.Thread(target=watch, args=(Path(os.environ["SOAK_INSIDE"]),), name="soak inside", daemon=True).start()
