"""How the memory of a process stays level while people come and go: what malloc and the garbage collector are told.

Each process that serves calls bound() before it starts threads and settle() when everything is imported, and runs
keep_small(). Nothing is wrong without them but the size of the process. malloc: glibc's alone; others do nothing here.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import os
from typing import Any

ARENAS = 2
"""Parts of the heap, shared by all threads. glibc gives each of 40 threads one of its own, and what is freed in one is
of no use to the others: of each worker 10 MB were free, and 3 MB more every 5 minutes."""
LARGE_BYTES = 64 * 1024
"""For what is so large the heap is not made longer: it is mapped by itself, and gone when it is freed. Such is the room
for each read of a socket. No gap in the heap was wide enough for it, so it took the heap's end, and what was made
meanwhile kept the end there: 6 MB in 10 minutes, with nothing more in use."""
M_ARENA_MAX, M_MMAP_THRESHOLD = -8, -3
"""From glibc's malloc.h."""
ASKED = {M_ARENA_MAX: "MALLOC_ARENA_MAX", M_MMAP_THRESHOLD: "MALLOC_MMAP_THRESHOLD_"}
"""The environment's own words for the same."""
YOUNG, MIDDLE, OLD = 700, 10, 3
"""How often the collector looks: after so many new objects at the young ones, every tenth time at those that survived,
every third time of these at all. A session that ends leaves 270 objects that point at each other; with Python's own 10
they added up to 7 MB, and the heap grew to the largest such pile."""
GIVE_BACK_S = 60.0


def bound() -> None:
    """Few arenas, and nothing large in them; where the environment says something itself, that holds."""
    if (mallopt := _glibc("mallopt")) is not None:
        for what, figure in ((M_ARENA_MAX, ARENAS), (M_MMAP_THRESHOLD, LARGE_BYTES)):
            if ASKED[what] not in os.environ:
                mallopt(what, figure)


def settle() -> None:
    """What is there now stays for good: the collector does not look at it again, and looks at the rest more often.

    Code and classes are nine tenths of what it would walk each time, for a tenth of a second in which nobody is served.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, MIDDLE, OLD)


async def keep_small() -> None:
    """Give back what is free, once a minute, until cancelled: after a storm of clients that is most of it."""
    while True:
        await asyncio.sleep(GIVE_BACK_S)
        await asyncio.to_thread(give_back)


def give_back() -> None:
    """Whole pages that are free go back to the system; a millisecond."""
    if (trim := _glibc("malloc_trim")) is not None:
        trim(0)


def _glibc(name: str) -> Any:
    """The function of glibc's malloc; None where it is another one (macOS, musl)."""
    try:
        return getattr(ctypes.CDLL(None), name)
    except (OSError, AttributeError):
        return None
