"""WebSockets on our Daphne: order across both ways of sending, proper closes, nothing left over."""

import asyncio
import base64
import json
import os
import socket
import struct
import time

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from reaktor.cluster.daphne import Server
from reaktor.cluster.daphne_http import HTTPFactory
from reaktor.cluster.daphne_websocket import EARLY_BYTES, WebSocket
from reaktor.cluster.inbox import Inbox
from reaktor.web.websocket_reader import Close, FrameReader, Pong
from tests.support.raw_websocket import frame, raw_websocket


async def closed(socket):
    """(code, reason) of the close that comes next."""
    try:
        async with asyncio.timeout(5):
            async for _ in socket:
                pass
    except ConnectionClosed:
        pass
    return socket.close_code, socket.close_reason


async def asked(server, what):
    """`rss` or `sessions`."""
    async with httpx.AsyncClient() as client:
        return (await client.get(f"{server.url}/rss")).json()[what]


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
    before = await asked(server, "rss")
    async with connect(f"{server.ws}/echo", max_queue=None) as client:
        await client.send("!sleep 1")
        sending = asyncio.ensure_future(flood(client, 600))
        await asyncio.sleep(0.7)
        assert await asked(server, "rss") - before < 8 * 1024 * 1024
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


async def answers(server, path, *sent):
    """All that comes for these bytes, up to the end of the connection. An endless wait would fail the test."""
    async with raw_websocket(server.port, path) as client:
        await client.send(*sent)
        return await client.rest()


WAYS = pytest.mark.parametrize("path", ["/echo", "/echo/at-once"])


@WAYS
@pytest.mark.parametrize(
    ("bad", "code"),
    [
        (frame(0xC1, b"x"), 1002),
        (frame(0x83, b"x"), 1002),
        (frame(0x80, b"x"), 1002),
        (frame(0x89, b"x" * 126), 1002),
        (frame(0x88, b"\x03\xed"), 1002),
        (frame(0x81, b"\xce\xba\xe1\xbd"), 1007),
        (frame(0x01, b"\xce") + frame(0x80, b"x"), 1007),
        (frame(0x81, b"x" * 70_000), 1009),
    ],
    ids=range(8),
)
async def test_what_came_before_a_bad_frame_is_answered_and_then_the_close_says_why(server, path, bad, code):
    """The answers of an application that runs as a task came after the close frame, so they never did."""
    before = frame(0x81, b"one") + frame(0x82, b"two") + frame(0x89, b"ping") + frame(0x01, b"th") + frame(0x80, b"ree")
    *answered, close = await answers(server, path, before + bad + frame(0x81, b"behind it"))
    assert [each for each in answered if not isinstance(each, Pong)] == ["one", b"two", "three"]
    assert Pong(b"ping") in answered
    assert (close.code, bool(close.reason)) == (code, True)


@WAYS
@pytest.mark.parametrize(("said", "answer"), [(1000, 1000), (4321, 4321), (None, 1005)])
async def test_a_close_is_answered_by_the_same_behind_what_was_to_be_said(server, path, said, answer):
    close = frame(0x88, b"" if said is None else said.to_bytes(2, "big"))
    assert await answers(server, path, frame(0x81, b"one") + close + frame(0x81, b"two")) == [
        "one",
        Close(answer, ""),
    ]


async def test_a_bad_frame_waits_no_longer_for_an_application_that_is_busy(server):
    found = await answers(server, "/echo", frame(0x81, b"!sleep 20") + frame(0xC1))
    assert [each.code for each in found] == [1002]


@pytest.mark.parametrize("last", [frame(0xC1), frame(0x88, b"\x03\xe8")])
async def test_what_the_application_says_at_the_end_of_its_turn_comes_before_the_close(server, last):
    """As the hub does: the answers to what came last left behind the close frame, so they never did."""
    *answered, _ = await answers(server, "/echo", frame(0x81, b"!soon") + frame(0x81, b"!soon") + last)
    assert answered == ["soon", "soon"]


BAD_OR_CLOSE = pytest.mark.parametrize(("last", "code"), [(frame(0xC1), 1002), (frame(0x88, b"\x10\xe1"), 4321)])


@BAD_OR_CLOSE
@pytest.mark.parametrize("order", ["!return", "!close"])
async def test_an_application_that_asks_is_told_of_the_end_and_answered_for_before_the_close(server, order, last, code):
    """The relay: what it passed on is answered by another process, while it waits for more already."""
    sent = [frame(0x81, b"one"), frame(0x81, order.encode()), last]
    *answered, close = await answers(server, "/echo/at-end", b"".join(sent))
    assert (answered, close.code) == ([f"end {code}", "one", order], code)


@BAD_OR_CLOSE
async def test_an_application_that_was_told_of_the_end_and_stays_is_not_waited_for(server, last, code):
    *answered, close = await answers(server, "/echo/at-end", frame(0x81, b"!stay") + last)
    assert (answered, close.code) == ([f"end {code}", "!stay"], code)


async def test_a_client_that_goes_on_after_a_bad_frame_still_reads_why(server):
    """What lay unread when the connection was closed would have made a reset of it."""
    found = await answers(server, "/echo", frame(0xC1), *[frame(0x82, b"x" * 60_000)] * 20)
    assert [each.code for each in found] == [1002]


async def test_one_bad_frame_ends_only_its_own_connection(server):
    async with connect(f"{server.ws}/echo") as bystander:
        await answers(server, "/echo", frame(0xC1))
        await bystander.send("still here")
        assert await bystander.recv() == "still here"


@WAYS
async def test_frames_keep_their_order_when_thousands_come_at_once(server, path):
    """Of so many a part is acted on in each turn of the loop, so that others have theirs."""
    async with connect(f"{server.ws}{path}", max_queue=None) as client:
        client.transport.write(b"".join(frame(0x81, b"%d" % number) for number in range(5_000)))
        assert [int(await client.recv()) for _ in range(5_000)] == list(range(5_000))


async def test_messages_at_once_wait_behind_one_that_takes_its_time(server):
    async with connect(f"{server.ws}/echo/at-once", max_queue=None) as client:
        client.transport.write(b"".join(frame(0x81, each) for each in (b"a", b"!sleep 0.1", b"b", b"!empty", b"c")))
        assert [await client.recv() for _ in range(5)] == ["a", "b", "", b"", "c"]


async def test_an_application_that_fails_at_once_ends_its_socket(server):
    async with connect(f"{server.ws}/echo/at-once") as client:
        await client.send("!fail")
        assert (await closed(client))[0] == 1011


async def test_a_message_that_comes_byte_by_byte_arrives(server):
    whole = frame(0x81, "κόσμε".encode()) + frame(0x88)
    found = await answers(server, "/echo", *[whole[at : at + 1] for at in range(len(whole))])
    assert found == ["κόσμε", Close(1005, "")]


async def test_who_is_cut_while_the_application_is_behind_costs_that_no_error(server):
    """Taking the rest, it asked to read on from a socket that was gone."""
    before = server.log.read_bytes().count(b"an application failed")
    client = await connect(f"{server.ws}/echo")
    await client.send("!sleep 0.3")
    for _ in range(200):
        await client.send("x")
    client.transport.abort()
    for _ in range(200):
        if not await asked(server, "sessions"):
            break
        await asyncio.sleep(0.05)
    assert await asked(server, "sessions") == 0
    assert server.log.read_bytes().count(b"an application failed") == before


def handshake(target=b"/echo", method=b"GET", more=b"", **changes):
    """The request of a handshake with these headers changed; None: left out."""
    key = base64.b64encode(os.urandom(16))
    headers = {b"host": b"x", b"upgrade": b"websocket", b"connection": b"Upgrade", b"sec-websocket-key": key}
    headers |= {b"sec-websocket-version": b"13"} | {n.replace("_", "-").encode(): v for n, v in changes.items()}
    lines = b"".join(name + b": " + value + b"\r\n" for name, value in headers.items() if value is not None)
    return method + b" " + target + b" HTTP/1.1\r\n" + lines + more + b"\r\n"


def answer(server, *parts):
    """(status, headers, body) of a request that is sent in these parts, and ends the connection."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        for part in parts:
            raw.sendall(part)
            time.sleep(0.01)
        data = b""
        while more := raw.recv(65_536):
            data += more
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return int(first.split()[1]), dict(line.lower().split(b": ", 1) for line in lines), json.loads(body)


BAD = [
    handshake(sec_websocket_key=b"short"),
    handshake(sec_websocket_key=None),
    handshake(more=b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"),
    handshake(sec_websocket_version=None),
    handshake(connection=b"keep-alive"),
    handshake(connection=None),
    handshake(method=b"POST"),
    handshake(b"/echo#part"),
    handshake(b"/echo?caf\xe9"),
    handshake(sec_websocket_protocol=b"a, a"),
    handshake(host=None),
    handshake(more=b"Host: y\r\n"),
    handshake(more=b"Bad name: 1\r\n"),
    handshake(more=b"X-Odd: \x1c\r\n"),
]


@pytest.mark.parametrize("request_bytes", BAD, ids=range(len(BAD)))
@pytest.mark.parametrize("is_split", [False, True], ids=["whole", "in two"])
def test_a_bad_handshake_is_refused_in_json(server, request_bytes, is_split):
    parts = (request_bytes[:40], request_bytes[40:]) if is_split else (request_bytes,)
    status, headers, body = answer(server, *parts)
    assert (status, body["error"]["code"]) == (400, "invalid")
    assert headers[b"connection"] == b"close"
    assert headers[b"x-content-type-options"] == b"nosniff"


def test_another_version_of_the_protocol_is_told_ours(server):
    status, headers, body = answer(server, handshake(sec_websocket_version=b"8"))
    assert (status, headers[b"sec-websocket-version"], body["error"]["code"]) == (426, b"13", "invalid")


def test_a_page_of_any_kind_may_ask_and_the_application_decides(server):
    """An Origin that is none was refused before the application, which knows the allowed ones, was asked."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as raw:
        raw.sendall(handshake(origin=b"nonsense"))
        assert raw.recv(4096).startswith(b"HTTP/1.1 101 ")


@WAYS
@pytest.mark.parametrize("cut", [None, 7, -9, -3])
async def test_frames_that_come_with_the_handshake_are_read_when_it_is_accepted(server, path, cut):
    """What came behind the request in one packet was lost."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    sent = handshake(path.encode()) + frame(0x81, b"early") + frame(0x88)
    for part in (sent,) if cut is None else (sent[:cut], sent[cut:]):
        writer.write(part)
        await writer.drain()
        await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        await reader.readuntil(b"\r\n\r\n")
        assert list(FrameReader().read(await reader.read())) == ["early", Close(1005, "")]
    writer.close()


async def test_the_application_sees_the_request_as_it_was(server):
    async with connect(
        f"{server.ws}/%65cho?a=%20b", additional_headers={"X-A": "1", "x_b": "2", "Daphne-Root-Path": "/x"}
    ) as client:
        await client.send("!who")
        said = json.loads(await client.recv())
    assert (said["path"], said["query"], said["root_path"]) == ("/echo", "a=%20b", "")
    assert "x-a" in said["headers"]
    assert not {"x_b", "daphne-root-path"} & set(said["headers"])


class Transport:
    """Writes down what a WebSocket does with its connection."""

    def __init__(self):
        self.done = []

    def getPeer(self):  # noqa: N802  Twisted's names
        return None

    getHost = getPeer  # noqa: N815

    def write(self, data):
        self.done.append(data.split(b"\r\n")[0])

    def loseConnection(self):  # noqa: N802
        self.done.append("lost")

    def abortConnection(self):  # noqa: N802
        self.done.append("aborted")


def opened(**changes):
    """A WebSocket whose application has been asked, and its server, which has no loop."""
    server = Server(None, body_bytes=1, message_bytes=1, endpoints=["unix:x"], signal_handlers=False)
    server.connections, server.http_factory = {}, HTTPFactory(server)
    inboxes = []
    server.create_application = lambda protocol, scope: inboxes.append(Inbox()) or inboxes[-1]
    hold = server.counts.take("192.0.2.1")
    found = WebSocket(server, Transport(), hold)
    headers = dict(line.split(b": ", 1) for line in handshake(**changes).split(b"\r\n")[1:-2])
    found.begin(b"GET", b"/", list(headers.items()))
    return server, found, inboxes, hold


async def received(inbox):
    return [(await inbox.receive()).values() for _ in range(inbox.qsize())]


async def test_an_application_that_does_not_answer_a_handshake_costs_its_connection():
    server, found, [inbox], hold = opened()
    assert server.opening == {found}
    found.deadline = 0.0
    server.sweep(1.0)
    assert found._transport.done == ["aborted"]
    found.connectionLost(None)
    assert [list(each) for each in await received(inbox)] == [["websocket.connect"], ["websocket.disconnect", 1006]]
    assert (server.opening, server.open_connections, server.counts._counts) == (set(), 0, {})
    found.handle_reply({"type": "websocket.accept"})
    assert found._transport.done == ["aborted"]
    hold.release()


async def test_one_that_has_answered_has_no_deadline():
    server, found, _, _ = opened()
    found.handle_reply({"type": "websocket.accept"})
    server.sweep(found.deadline + 1)
    assert found._transport.done == [b"HTTP/1.1 101 Switching Protocols"]


async def test_what_a_client_sends_before_it_is_accepted_is_bounded():
    _, found, _, _ = opened()
    found.dataReceived(b"x" * EARLY_BYTES)
    assert found._transport.done == []
    found.dataReceived(b"x")
    assert found._transport.done == ["aborted"]


async def test_an_application_that_goes_on_without_its_client_is_cancelled_after_a_while():
    server, found, _, _ = opened()
    task = asyncio.create_task(asyncio.sleep(60))
    server.connections[found]["application_instance"] = task
    task.add_done_callback(lambda ended: server._on_application_done(found, ended))
    found.connectionLost(None)
    gone_at = time.monotonic()
    server.sweep(gone_at + server.application_close_timeout - 1)
    await asyncio.sleep(0)
    assert not task.cancelling()
    server.sweep(gone_at + server.application_close_timeout + 1)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert server.connections == {}
    server.sweep(gone_at + 100)
