"""Connections of asyncio's streams that end with a block: in order, or cut after an error or where nobody reads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

CLOSING_S = 5.0
"""How long the last bytes may take."""

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """The connection is closed with the block: at once if that ends by an error, else when all was taken."""
    try:
        yield
        writer.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(CLOSING_S):
                await writer.wait_closed()
    finally:
        writer.transport.abort()
