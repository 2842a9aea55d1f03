"""One chat server with short graces for all chat clients, and a driver of JavaScript clients per test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.conftest import MakeServer
from tests.support.js_client import JsDriver, js_driver
from tests.support.server import LiveServer


@pytest.fixture(scope="package")
def server(make_server: MakeServer) -> LiveServer:
    """Quits are told soon, and nothing is limited."""
    return make_server(LIMITS="off", SOCKETIO_QUIT_GRACE="1s", SOCKETIO_KEEP_GRACE="20s", LOG_LEVEL="WARNING")


@pytest.fixture
async def driver() -> AsyncIterator[JsDriver]:
    async with js_driver() as running:
        yield running
