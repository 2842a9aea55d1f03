"""Junk, floods and clients that do not read: each harms its own session alone."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import time
from collections.abc import Awaitable, Callable, Iterator

import pytest
import websockets

from chat.transports.native.operations import OPERATIONS
from reaktor.web.websocket_frames import NO_MASK, Opcode, encode_frame
from reaktor.web.websocket_reader import Close
from tests.conftest import MakeServer
from tests.integration.conftest import Connect
from tests.support.native import NativeClient, Refused
from tests.support.raw_websocket import frame as client_frame
from tests.support.raw_websocket import raw_websocket
from tests.support.server import LiveServer

JUNK: list[str | bytes] = [
    "junk",
    "[]",
    "null",
    '{"op": 5}',
    '{"id": {"a": 1}, "op": "pong"}',
    '{"op": "no.such.operation"}',
    '{"op": "message.send", "channel": "general", "data": []}',
    "[" * 60_000,
    b"\x00\x01binary",
]


@pytest.mark.parametrize("is_greeted", [False, True])
@pytest.mark.parametrize("frame", JUNK, ids=lambda frame: repr(frame[:12]))
async def test_ten_bad_frames_of_a_kind_are_answered_and_then_end_the_session_with_4504(
    server: LiveServer, frame: str | bytes, is_greeted: bool
) -> None:
    client = await NativeClient.open(server.url)
    if is_greeted:
        await client.request("hello", token=server.account()[1])
    for _ in range(15):
        try:
            await client.send_raw(frame)
        except websockets.ConnectionClosed:
            break
    assert await client.closed() == 4504
    refusals = [each for each in client.log if each.get("ok") is False]
    assert len(refusals) == 10
    assert {each["error"]["code"] for each in refusals} <= {"invalid", "unknown_operation"}


async def test_junk_of_one_session_disturbs_no_other(connect: Connect, channel: str, server: LiveServer) -> None:
    first, second = await connect(), await connect()
    await first.join(channel)
    await second.join(channel)

    async def vandal() -> None:
        client = await NativeClient.connect(server.url, server.account()[1])
        await client.join(channel)
        for frame in JUNK * 3:
            try:
                await client.send_raw(frame)
            except websockets.ConnectionClosed:
                break
        assert await client.closed() == 4504

    vandals = [asyncio.create_task(vandal()) for _ in range(5)]
    for number in range(10):
        started = time.monotonic()
        await first.post(channel, f"text {number}")
        await second.message(f"text {number}")
        assert time.monotonic() - started < 5
    await asyncio.gather(*vandals)


async def test_a_frame_of_over_64_kib_is_too_large_to_anybody_and_ends_no_other_session(
    connect: Connect, server: LiveServer
) -> None:
    bystander = await connect()
    for size in (70_000, 3_000_000):
        client = await NativeClient.connect(server.url, server.account()[1])
        answer = await client.send("status", status="x" * size)
        with pytest.raises((Refused, ConnectionError, websockets.ConnectionClosed)):
            await answer
        if client.socket.close_code is None:
            refusal = client.log[-1]
            assert (refusal["re"], refusal["error"]["code"]) == (None, "too_large")
            await client.request("status", status="online")
        else:
            assert client.socket.close_code == 1009
        await client.close()
    await bystander.request("status", status="online")


@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (client_frame(0xC1, b"x"), 1002),
        (client_frame(0x81, b"\xff"), 1007),
        (client_frame(0x81, b"x" * 1_100_000), 1009),
    ],
    ids=["reserved bit", "bad text", "too large"],
)
async def test_a_bad_frame_ends_its_connection_behind_the_answers_to_what_came_before(
    server: LiveServer, channel: str, bad: bytes, code: int
) -> None:
    """One of them waits for the authority, the other is handled as it is read."""
    async with raw_websocket(server.port, "/ws/v1", "Sec-WebSocket-Protocol: reaktor.v1") as client:
        await client.send(masked({"id": "hello", "op": "hello", "data": {"token": server.account()[1]}}))
        assert await answer_in(client.receive) == "hello"
        asked = [masked({"id": op, "op": op, "channel": channel}) for op in ("channel.join", "channel.members")]
        await client.send(b"".join(asked) + bad)
        assert await answer_in(client.receive) == "channel.join"
        assert await answer_in(client.receive) == "channel.members"
        close = (await client.rest())[-1]
    assert isinstance(close, Close)
    assert close.code == code


async def answer_in(receive: Callable[[], Awaitable[object]]) -> object:
    """The id of the next answer; events on the way are not looked at."""
    while "re" not in (said := json.loads(str(await receive()))):
        pass
    assert said["ok"]
    return said["re"]


@pytest.fixture(scope="module")
def narrow_server(make_server: MakeServer) -> LiveServer:
    """One that allows few unsent bytes, and asks nobody for a life sign while they gather."""
    return make_server(
        LIMIT_UNSENT_BYTES="200000",
        LIMIT_SEND="100000/1s",
        LIMIT_OPERATIONS="100000/1s",
        LIMIT_INCOMING_BYTES="100000000/1s",
    )


async def test_a_client_that_does_not_read_is_told_4002_and_the_others_notice_nothing(
    narrow_server: LiveServer,
) -> None:
    async with (
        await NativeClient.connect(narrow_server.url, narrow_server.account()[1]) as writer,
        await NativeClient.connect(narrow_server.url, narrow_server.account()[1]) as reader,
    ):
        channel = (await writer.request("channel.create", name="flood", kind="unlisted"))["key"]
        await writer.join(channel)
        await reader.join(channel)
        name, token = narrow_server.account()
        slow = await asyncio.to_thread(sleeper, narrow_server.port, token, channel)
        try:
            await writer.event("member.joined", channel, username=name)
            text = "🐢" * 4_000
            posts, started = 0, time.monotonic()
            while not any(
                frame["event"] == "member.left" and frame["data"]["username"] == name for frame in writer.all_events
            ):
                assert time.monotonic() - started < 30, "the slow one was never let go"
                before = time.monotonic()
                await writer.post(channel, text)
                posts += 1
                assert time.monotonic() - before < 5
            last = await writer.post(channel, "the end")
            assert (await reader.message("the end"))["number"] == last["number"] == posts + 1
            assert (writer.bye, reader.bye) == (None, None)
            owed = await asyncio.to_thread(everything_from, slow)
            assert b'"code":4002' in owed, (posts, len(owed), owed[-300:])
        finally:
            slow.close()


def sleeper(port: int, token: str, channel: str) -> socket.socket:
    """A raw WebSocket that says hello, joins, and then reads no more."""
    slow = socket.socket()
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    slow.settimeout(10)
    slow.connect(("127.0.0.1", port))
    key = base64.b64encode(os.urandom(16)).decode()
    slow.sendall(
        (
            f"GET /ws/v1 HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: reaktor.v1\r\n\r\n"
        ).encode()
    )
    answer = b""
    while not answer.endswith(b"\r\n\r\n"):
        answer += slow.recv(1)
    slow.sendall(masked({"op": "hello", "data": {"token": token}}) + masked({"op": "channel.join", "channel": channel}))
    return slow


def masked(request: dict[str, object]) -> bytes:
    return encode_frame(Opcode.TEXT, json.dumps(request).encode(), mask=NO_MASK)


def everything_from(slow: socket.socket) -> bytes:
    """What was owed, up to the end of the connection."""
    # It is cut some seconds after the goodbye: with the small window of before, reading alone may take that long.
    slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
    found = b""
    try:
        while part := slow.recv(65_536):
            found += part
    except OSError:
        pass
    return found


AN_ID = "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a69"
ODD = ("", " ", "\x00", "a\x00b", "\U0001f600", "x" * 500, "../..", "-1", "0", AN_ID, "tea*")
OF_THE_SESSION = {"hello", "auth.refresh", "pong"}
OF_EACH_KIND: dict[str, object] = {
    "string": AN_ID, "integer": 1, "boolean": True, "ids": [], "cursors": {},
}  # fmt: skip


def odd_requests(key: str) -> Iterator[tuple[str, str, dict[str, object]]]:
    """(operation, channel, data): of each operation, each of its places with an odd value and the others with good
    ones.
    """
    for name, operation in OPERATIONS.items():
        if name in OF_THE_SESSION:
            continue
        plain = {field: (*each.choices, OF_EACH_KIND[each.kind])[0] for field, each in operation.fields.items()}
        for odd in ODD:
            if operation.needs_channel or operation.may_name_channel:
                yield name, odd, plain
            for field, each in operation.fields.items():
                value = {"ids": [odd], "cursors": {odd: 0}, "string": odd}.get(each.kind)
                if value is not None:
                    yield name, key, {**plain, field: value}
                    yield name, key, {field: value}
        for field, each in operation.fields.items():
            if each.kind == "integer":
                for number in (0, each.minimum, each.maximum, 2**63, -1):
                    yield name, key, {**plain, field: number}


async def test_no_odd_value_is_more_than_refused(make_server: MakeServer) -> None:
    server = make_server(LIMITS="off")
    token = server.account()[1]
    client = await NativeClient.connect(server.url, token)
    key = (await client.request("channel.create", name="Odd", kind="unlisted"))["key"]
    await client.join(key)
    wrong = []
    for name, channel, data in odd_requests(key):
        try:
            await client.request(name, channel, data=data)
        except Refused as refused:
            if refused.code in {"internal", "unavailable"}:
                wrong.append((name, channel, data, refused.code))
        except (ConnectionError, websockets.ConnectionClosed):
            # Ten bad frames end a session.
            assert await client.closed() == 4504
            client = await NativeClient.connect(server.url, token)
    await client.close()
    assert wrong == []
    assert "Traceback" not in server.log()
