"""The application under stock Daphne, and what any server answers about its health."""

from __future__ import annotations

import asyncio
import sys

import httpx
import pytest
from django.conf import settings

import reaktor
from tests.conftest import MakeServer
from tests.support.native import NativeClient
from tests.support.server import LiveServer


@pytest.fixture(scope="module")
def plain(make_server: MakeServer) -> LiveServer:
    """`daphne reaktor.asgi:application`, which gives us no frames of our own to write."""
    command = [sys.executable, "-m", "daphne", "-b", "127.0.0.1", "-p", "{port}", "reaktor.asgi:application"]
    return make_server(command=command, HELLO_TIMEOUT="400ms")


async def test_two_talk_under_plain_daphne_in_order(plain: LiveServer) -> None:
    async with (
        await NativeClient.connect(plain.url, plain.account()[1]) as ann,
        await NativeClient.connect(plain.url, plain.account()[1]) as bob,
    ):
        await ann.join("random")
        await bob.join("random")
        start = bob.cursors["random"]
        await asyncio.gather(*(ann.post("random", f"👋 {number} " + "x" * 1_000) for number in range(20)))
        for number in range(20):
            frame = await bob.event("message.new", "random")
            assert frame["seq"] == start + 1 + number


async def test_reasons_are_told_before_the_close_under_plain_daphne(plain: LiveServer) -> None:
    silent = await NativeClient.open(plain.url)
    assert (await silent.closed(), silent.bye["code"]) == (4501, 4501)
    vandal = await NativeClient.connect(plain.url, plain.account()[1])
    for _ in range(10):
        await vandal.send_raw("junk")
    assert (await vandal.closed(), vandal.bye["code"]) == (4504, 4504)
    assert len([frame for frame in vandal.log if frame.get("ok") is False]) == 10


async def test_health_is_told_to_anybody_and_readiness_in_detail_to_this_machine(
    plain: LiveServer, server: LiveServer
) -> None:
    async with httpx.AsyncClient() as http:
        for each in (plain, server):
            answer = await http.get(f"{each.url}/healthz")
            assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
            answer = await http.get(f"{each.url}/readyz")
            assert answer.status_code == 200
            parts = {"database": True, "bus": True, "replica": True}
            own = {"version": reaktor.__version__, "host": settings.REAKTOR.host_name}
            assert answer.json() == {"status": "ready", **parts, **own}
            assert answer.headers["cache-control"] == "no-store"
