"""A bound on how many requests an ASGI application works on at once.

Django gives every waiting request a thread, and a database connection with it (300 requests: 301 threads). Here
`running` are let through, `waiting` wait in order, and the rest get 503 with Retry-After at once.
"""

from __future__ import annotations

import asyncio
from typing import Any

import orjson

from reaktor.errors import UnavailableError


class BoundedApplication:
    """Wraps an ASGI application for scopes of type http."""

    def __init__(self, application: Any, *, running: int, waiting: int) -> None:
        self._application = application
        self._places = asyncio.Semaphore(running)
        self._bound = running + waiting
        self._here = 0

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if self._here >= self._bound:
            await _refuse(send)
            return
        self._here += 1
        try:
            async with self._places:
                await self._application(scope, receive, send)
        finally:
            self._here -= 1


async def _refuse(send: Any) -> None:
    error = UnavailableError("Too many requests are waiting.")
    body = orjson.dumps({"error": error.as_data()})
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body})
