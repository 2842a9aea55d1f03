"""Free ports and waiting for them."""

import itertools
import os
import socket
import time
from collections.abc import Callable

# Below the ports that the kernel gives to outgoing connections (32768 and up): one of those may be taken between the
# moment a test chooses it and the moment its server listens. Each process of a run has a range of its own.
_FIRST, _SPAN, _RANGES = 12000, 2500, 8
_range = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % _RANGES
_offsets = itertools.count(os.getpid() * 37)


def free_port() -> int:
    """A port that nobody listens on right now, and that no other test is given."""
    for offset in itertools.islice(_offsets, _SPAN):
        port = _FIRST + _range * _SPAN + offset % _SPAN
        with socket.socket() as probe:
            try:
                probe.bind(("", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")


def wait_for(condition: Callable[[], object], seconds: float = 10.0, what: str = "the condition"):
    """Poll until the condition gives something true, and return that; AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds:g} s")


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), timeout=0.5).close()
    except OSError:
        return False
    return True
