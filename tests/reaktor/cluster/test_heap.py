"""Malloc's and the collector's settings, each in a process of its own: they can't be taken back."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from reaktor.cluster import heap

MIB = 1024 * 1024
THREADS = 12
# glibc writes down its arenas; another malloc has no such function, and none are counted.
ARENAS = f"""
import ctypes, sys, threading
from reaktor.cluster import heap
heap.bound()
meeting = threading.Barrier({THREADS} + 1)

def work():
    kept = [bytearray(2_000) for _ in range(100)]
    meeting.wait(), meeting.wait()

for _ in range({THREADS}):
    threading.Thread(target=work).start()
meeting.wait()
libc, path = ctypes.CDLL(None), sys.argv[1]
if hasattr(libc, "malloc_info"):
    libc.fopen.restype = ctypes.c_void_p
    file = ctypes.c_void_p(libc.fopen(path.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(open(path).read().count("<heap nr="))
else:
    print(0)
meeting.wait()
"""
SETTLED = """
import gc, json
from reaktor.cluster import heap
heap.settle()
print(json.dumps([gc.get_freeze_count(), len(gc.get_objects()), gc.get_threshold()]))
"""

# Pieces of a kilobyte, of which every tenth stays where it is: nothing of it is at the heap's end.
STORM = """
import os
from pathlib import Path
from reaktor.cluster import heap

def rss():
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

heap.bound()
pieces = [[bytearray(1_000) for _ in range(40)] for _ in range(2_000)]
full = rss()
kept = [piece for number, piece in enumerate(pieces) if number % 10 == 0]
del pieces
heap.give_back()
print(full - rss())
"""
# malloc learns from what is freed: after something larger, all of this would come from the heap.
READ = """
import ctypes
from reaktor.cluster import heap

class Mallinfo(ctypes.Structure):
    _fields_ = [(name, ctypes.c_size_t) for name in ("arena", "ordblks", "smblks", "hblks", *"abcdef")]

def mapped():
    libc = ctypes.CDLL(None)
    if not hasattr(libc, "mallinfo2"):
        return None
    libc.mallinfo2.restype = Mallinfo
    return libc.mallinfo2().hblks

heap.bound()
mapped()
for size in (256 * 1024, 1024 * 1024):
    bytearray(size)
before = mapped()
rooms = [bytearray(64 * 1024) for _ in range(100)]
print("another malloc" if before is None else mapped() - before)
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    own = {name: value for name, value in os.environ.items() if name not in heap.ASKED.values()}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env={**own, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return done.stdout


def test_a_dozen_threads_share_two_arenas(tmp_path: Path) -> None:
    """What was freed in one of fifteen arenas was of no use to the others: a worker grew though nothing was held."""
    assert int(run(ARENAS, str(tmp_path / "info"))) <= heap.ARENAS


def test_the_environments_own_word_on_arenas_holds(tmp_path: Path) -> None:
    found = int(run(ARENAS, str(tmp_path / "info"), MALLOC_ARENA_MAX="5"))
    assert found == 0 or heap.ARENAS < found <= 5


def test_what_is_there_from_the_start_is_looked_at_no_more() -> None:
    """A full collection walked 150,000 objects of code and classes: a tenth of a second in which nobody was served."""
    frozen, left, threshold = json.loads(run(SETTLED))
    assert frozen > 1_000
    assert left < 100
    assert tuple(threshold) == (heap.YOUNG, heap.MIDDLE, heap.OLD)


def test_for_the_room_of_a_read_the_heap_is_not_made_longer() -> None:
    """No gap was wide enough for it, so it took the heap's end, and what was made meanwhile kept the end there."""
    found = run(READ).strip()
    assert found == "another malloc" or int(found) > 80


def test_after_a_storm_the_pages_that_are_free_go_back() -> None:
    """A worker stayed as large as its worst minute: only the free end of the heap was ever given back."""
    assert int(run(STORM)) > 40 * MIB
