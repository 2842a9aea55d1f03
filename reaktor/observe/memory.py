"""How much memory a process holds: from /proc where there is one, else from the `ps` that every Unix has."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

PROC = Path("/proc")
PS_S = 1.0


def rss_bytes(pid: int | None) -> int | None:
    """Resident memory of a process; None when it is gone or can't be read.

    Without /proc it costs the start of a process, some 10 ms.
    """
    if pid is None:
        return None
    try:
        if (PROC / "self" / "statm").exists():
            return int((PROC / str(pid) / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        return _told_by_ps(pid) * 1024
    except (OSError, ValueError, IndexError, subprocess.SubprocessError):
        return None


def _told_by_ps(pid: int) -> int:
    """In KiB. Raises ValueError when there is no such process."""
    command = ("ps", "-o", "rss=", "-p", str(pid))
    return int(subprocess.run(command, capture_output=True, check=False, timeout=PS_S).stdout)  # noqa: S603  no shell
