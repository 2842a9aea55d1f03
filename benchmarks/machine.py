"""The machine and the programs of a run, for people who compare figures. No names of hosts, users or paths."""

from __future__ import annotations

import os
import platform
import re
import sqlite3
import subprocess
import time
from pathlib import Path

SAMPLES = 200


def about(day: str, *, is_quick: bool) -> str:
    """A paragraph for the head of the page."""
    said = (
        "Short rounds with few members, to see that everything works: compare nothing with them. " if is_quick else ""
    )
    return said + (
        f"Measured on {day}: {os.cpu_count()} cores ({_processor()}), {_memory_gib():.0f} GiB of memory, {_system()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Node {_node()}. Loopback; the server on "
        "core 0, the load generator on core 1."
    )


def _processor() -> str:
    found = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1].strip() if found else platform.machine()


def _memory_gib() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30


def _system() -> str:
    name = (
        platform.freedesktop_os_release().get("PRETTY_NAME", "Linux") if Path("/etc/os-release").exists() else "Linux"
    )
    return f"{name}, kernel {platform.release().split('-')[0]}"


def _node() -> str:
    try:
        done = subprocess.run(["node", "--version"], capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return "not there"
    return done.stdout.strip().removeprefix("v")


def commit_ms(folder: Path) -> float:
    """What this disk takes to make a small write last (write and fdatasync), in milliseconds: the median."""
    took = []
    path = folder / "commit"
    with path.open("wb", buffering=0) as file:
        for _ in range(SAMPLES):
            started = time.perf_counter()
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            took.append(time.perf_counter() - started)
    path.unlink()
    return sorted(took)[SAMPLES // 2] * 1000
