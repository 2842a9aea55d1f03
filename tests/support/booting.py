"""How long a worker takes to boot on this machine, at this moment: what a bound on a restart must be held against."""

from __future__ import annotations

import asyncio
import sys
import time

BOOT = "import reaktor.cluster.daphne, reaktor.asgi"
SERVING_S = 3.0
"""The bound on a machine that has nothing else to do."""


async def boot_s(data_dir: str) -> float:
    """Import what a worker imports, in a process of its own; the seconds that took."""
    started = time.monotonic()
    environment = {"DATA_DIR": data_dir, "DJANGO_SETTINGS_MODULE": "reaktor.settings.local"}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", BOOT, env=environment)
    if await process.wait():
        raise RuntimeError("the imports of a worker failed")
    return time.monotonic() - started


def serving_bound_s(boot_s: float) -> float:
    """How long a killed worker's clients may be away: SERVING_S, or as long as booting takes here and now."""
    return max(SERVING_S, 1.5 + 1.5 * boot_s)
