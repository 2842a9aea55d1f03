"""The chat server's workers, with a window: GET /held counts the objects that Python holds, by type.

For tests.support.run_chat_cluster; the server itself has no such hook.
"""

from __future__ import annotations

import gc
from collections import Counter
from http import HTTPStatus

import orjson

from reaktor.asgi import application as chat_application
from reaktor.asgi import create_runtime
from reaktor.web.reply import bytes_reply
from reaktor.web.scope import Receive, Scope, Send

__all__ = ["application", "create_runtime"]


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """{"counts": {type: how many}, "frozen": how many more were there before it served}."""
    if scope["type"] == "http" and scope["path"] == "/held":
        gc.collect()
        counts = Counter(f"{type(each).__module__}.{type(each).__qualname__}" for each in gc.get_objects())
        held = orjson.dumps({"counts": counts, "frozen": gc.get_freeze_count()})
        await bytes_reply(HTTPStatus.OK, b"application/json", held).send(scope, send)
    else:
        await chat_application(scope, receive, send)
