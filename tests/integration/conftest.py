"""Fixtures of the end-to-end tests: clients of /ws/v1, and of the Engine.IO conformance server."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
import pytest_asyncio

from tests.conftest import MakeServer
from tests.support.conformance_server import ConformanceServer, conformance_server
from tests.support.engineio_client import WAIT_S, Eio
from tests.support.native import NativeClient
from tests.support.server import LiveServer

Connect = Callable[..., Awaitable[NativeClient]]


@pytest.fixture(scope="session")
def hasty_server(make_server: MakeServer) -> LiveServer:
    """A server with short times and small bounds, so that tests need not wait for the real ones."""
    return make_server(
        HELLO_TIMEOUT="1s",
        PING_INTERVAL="1s",
        PONG_TIMEOUT="1s",
        TOKEN_EXPIRY_WARNING="3s",
        TOKEN_EXPIRY_GRACE="200ms",
        MAX_SESSIONS_PER_USER="2",
        LIMIT_UNSENT_BYTES="200000",
        LIMIT_SEND="100000/1s",
        LIMIT_OPERATIONS="100000/1s",
        LIMIT_CHANNELS_PER_SESSION="5",
        ALLOWED_ORIGINS="https://chat.example",
    )


@pytest.fixture
async def connect(server: LiveServer) -> AsyncIterator[Connect]:
    """connect() → a greeted client of an account of its own on `server`; all of them are closed after the test."""
    clients: list[NativeClient] = []

    async def connect(token: str | None = None, *, on: LiveServer = server, **options: object) -> NativeClient:
        client = await NativeClient.connect(on.url, token or on.account()[1], **options)
        clients.append(client)
        return client

    yield connect
    await asyncio.gather(*(client.close() for client in clients))


@pytest.fixture
async def channel(connect: Connect) -> str:
    """The key of a channel that no other test uses."""
    client = await connect()
    made = await client.request("channel.create", name=f"test {secrets.token_hex(4)}", kind="unlisted")
    return str(made["key"])


@pytest.fixture(scope="module", params=["ours", "stock"])
def conformance(request: pytest.FixtureRequest) -> Iterator[ConformanceServer]:
    """The conformance server on our Daphne, and on the one that Daphne's package has."""
    with conformance_server(*(["--plain"] if request.param == "stock" else [])) as server:
        yield server


@pytest_asyncio.fixture(params=[3, 4], ids=["v3", "v4"])
async def eio(conformance: ConformanceServer, request: pytest.FixtureRequest) -> AsyncIterator[Eio]:
    """A client of either revision."""
    async with httpx.AsyncClient(timeout=WAIT_S, verify=False) as http:
        eio = Eio(conformance, http, request.param)
        yield eio
        await eio.aclose()
