"""Waiting for a condition instead of for luck."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def until(condition: Callable[[], object], timeout_s: float = 10.0) -> None:
    """Return as soon as the condition holds. Raises TimeoutError when it never does."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110  the condition belongs to code that knows no event of ours
            await asyncio.sleep(0.002)
