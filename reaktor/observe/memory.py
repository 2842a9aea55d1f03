"""How much memory a process holds, as the operating system tells it."""

from __future__ import annotations

import os


def rss_bytes(pid: int | None) -> int | None:
    """Resident memory of a process; None when it is gone or can't be read."""
    if pid is None:
        return None
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        return None
