"""Another time of day for the processes of one host, while they run: Debian's package faketime.

stepped(file) is the environment of such a process; it reads the file every second. mend_sleep() is called in it.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

LIBRARY = max(Path("/usr/lib").glob("**/faketime/libfaketime.so.1"), default=None)
"""None: it is not installed here, and no clock can be stepped."""


def stepped(file: Path) -> dict[str, str]:
    """Nothing where no clock can be stepped. The file holds seconds, as in "+3600"."""
    if LIBRARY is None:
        return {}
    return {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(file),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }


def mend_sleep() -> None:
    """Under faketime 0.9.10 what time.sleep() asks of the system fails (EINVAL). Waiting for a lock does not."""

    def sleep(seconds: float) -> None:
        threading.Event().wait(seconds)

    time.sleep = sleep
