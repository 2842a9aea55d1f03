"""WebSockets on our Daphne: order across both ways of sending, proper closes, nothing left over."""

import asyncio
import json
import socket
import struct

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus


async def closed(socket):
    """(code, reason) of the close that comes next."""
    try:
        async with asyncio.timeout(5):
            async for _ in socket:
                pass
    except ConnectionClosed:
        pass
    return socket.close_code, socket.close_reason


async def rss(server):
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{server.url}/rss")).json()["rss"]


async def flood(client, count):
    for _ in range(count):
        await client.send("x" * 50_000)


async def test_frames_written_directly_and_sends_of_the_application_keep_their_order(server):
    async with connect(f"{server.ws}/echo", max_queue=None) as client:
        await client.send("!flood 2000")
        got = [await client.recv() for _ in range(4000)]
    assert got == [said for number in range(2000) for said in (f"sink {number}", f"asgi {number}")]


async def test_order_holds_for_a_reader_so_slow_that_the_kernel_is_full(server):
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    small.connect(("127.0.0.1", server.port))
    async with connect(f"{server.ws}/echo", sock=small, max_queue=4) as client:
        await client.send("!flood 20000")
        await asyncio.sleep(0.3)
        for number in range(20_000):
            assert await client.recv() == f"sink {number}"
            assert await client.recv() == f"asgi {number}"


async def test_empty_messages_arrive(server):
    async with connect(f"{server.ws}/echo") as client:
        await client.send("!empty")
        assert [await client.recv(), await client.recv()] == ["", b""]
        await client.send(b"")
        assert await client.recv() == b""


async def test_a_message_over_the_limit_is_closed_with_1009_whole_or_in_fragments(server):
    async with connect(f"{server.ws}/echo") as client:
        await client.send("x" * 65_536)
        assert len(await client.recv()) == 65_536
        await client.send("x" * 65_537)
        assert (await closed(client))[0] == 1009
    async with connect(f"{server.ws}/echo") as client:
        await client.send(["x" * 40_000, "x" * 40_000])
        assert (await closed(client))[0] == 1009


async def test_the_application_closes_with_its_code_and_reason(server):
    async with connect(f"{server.ws}/echo") as client:
        await client.send("!close")
        assert await closed(client) == (4001, "because")


async def test_an_application_that_fails_or_returns_ends_its_socket(server):
    for order, code in (("!fail", 1011), ("!return", 1000)):
        async with connect(f"{server.ws}/echo") as client:
            await client.send(order)
            assert (await closed(client))[0] == code


@pytest.mark.parametrize(("path", "status"), [("fail", 500), ("return", 403)])
async def test_an_application_that_ends_before_accepting_refuses_without_its_words(server, path, status):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{server.ws}/{path}")
    assert refused.value.response.status_code == status
    assert b"secret" not in refused.value.response.body


async def test_an_application_that_is_not_there_refuses_the_handshake_with_503(server):
    with pytest.raises(InvalidStatus) as refused:
        await connect(f"{server.ws}/absent")
    answer = refused.value.response
    assert (answer.status_code, json.loads(answer.body)["error"]["code"]) == (503, "unavailable")


async def test_a_flood_of_messages_to_a_slow_application_is_left_in_the_clients_socket(server):
    before = await rss(server)
    async with connect(f"{server.ws}/echo", max_queue=None) as client:
        await client.send("!sleep 1")
        sending = asyncio.ensure_future(flood(client, 600))
        await asyncio.sleep(0.7)
        assert await rss(server) - before < 8 * 1024 * 1024
        for _ in range(600):
            assert len(await client.recv()) == 50_000
        await sending


async def test_what_the_application_answers_the_handshake_with_arrives(server):
    async with connect(f"{server.ws}/echo") as client:
        assert client.response.headers["x-worker"] == "0.0"
        assert "server" not in client.response.headers


async def test_a_socket_behind_a_proxy_knows_its_client(narrow):
    async with connect(
        f"{narrow.ws}/echo", local_addr=("127.0.0.9", 0), additional_headers={"X-Forwarded-For": "203.0.113.9"}
    ) as client:
        await client.send("!who")
        assert json.loads(await client.recv())["client"] == ["203.0.113.9", 0]


async def test_sockets_count_for_their_address_also_behind_a_proxy(narrow):
    for local, headers in (("127.0.0.80", {}), ("127.0.0.9", {"X-Forwarded-For": "203.0.113.80"})):
        options = {"local_addr": (local, 0), "additional_headers": headers}
        clients = [await connect(f"{narrow.ws}/echo", **options) for _ in range(5)]
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{narrow.ws}/echo", **options)
        assert refused.value.response.status_code == 429
        for client in clients:
            await client.close()
        async with connect(f"{narrow.ws}/echo", **options) as client:
            await client.send("again")
            assert await client.recv() == "again"


async def test_nothing_is_left_of_sockets_that_were_cut(server):
    process = psutil.Process(server.pid)
    before = process.num_fds()
    for _ in range(100):
        client = await connect(f"{server.ws}/echo")
        raw = client.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.transport.abort()
    for _ in range(100):
        if process.num_fds() <= before + 2:
            break
        await asyncio.sleep(0.05)
    assert process.num_fds() <= before + 2
