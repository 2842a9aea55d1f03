"""SocketIOServer over a small application, without a server or a network."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
import pytest_asyncio

from reaktor.config import EngineIO
from reaktor.engineio.application import Refusal
from reaktor.engineio.packets import ReadyPacket
from reaktor.socketio import client
from reaktor.socketio.application import Accepted, DisconnectReason, Handshake, NotNow, Refused
from reaktor.socketio.client import INBOX_HIGH
from reaktor.socketio.connection import ConnectRequested
from reaktor.socketio.packet import ready_event
from reaktor.socketio.server import SocketIOServer
from reaktor.socketio.socket import Ack, Socket
from tests.support import asgi
from tests.support.waiting import until

V4 = "EIO=4&transport=websocket"
V3 = "EIO=3&transport=websocket"


class Recorder:
    """An application whose answers a test sets, and which keeps what it was told."""

    def __init__(self) -> None:
        self.requests: list[ConnectRequested] = []
        self.joined = 0
        self.events: list[tuple[Any, ...]] = []
        self.ends: list[tuple[str, DisconnectReason]] = []
        self.sockets: list[Socket] = []
        self.answer: Accepted | Refused | NotNow | Exception = Accepted()
        self.refusal: Refusal | None = None
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def admit(self, handshake: Handshake) -> Refusal | None:
        handshake.notes["user"] = "from admit"
        return self.refusal

    async def connect(self, socket: Socket, request: ConnectRequested) -> Accepted | Refused | NotNow:
        self.requests.append(request)
        self.sockets.append(socket)
        socket.emit("early", "held until the answer")
        await self.may_go_on.wait()
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def connected(self, socket: Socket) -> None:
        self.joined += 1

    async def event(self, socket: Socket, name: str, args: Sequence[Any], ack: Ack | None) -> None:
        await self.may_go_on.wait()
        self.events.append((name, *args))
        if name == "fail":
            raise RuntimeError("a bug of the application")
        if ack is not None:
            ack(*args)
            ack("again")

    async def disconnected(self, socket: Socket, reason: DisconnectReason) -> None:
        self.ends.append((socket.namespace, reason))


class Served:
    def __init__(self, options: EngineIO) -> None:
        self.application = Recorder()
        self.server = SocketIOServer(options, self.application, namespaces=("/", "/chat"))
        self.http = asgi.HttpClient(self.server)

    async def socket(self, query: str = V4) -> asgi.Socket:
        """An accepted WebSocket whose open packet has been read."""
        socket = asgi.Socket(self.server, f"/socket.io/?{query}")
        await socket.accepted()
        await socket.text()
        return socket

    async def joined(self, query: str = V4) -> asgi.Socket:
        """A WebSocket that is in `/`."""
        socket = await self.socket(query)
        if "EIO=4" in query:
            socket.say("40")
        assert (await socket.text()).startswith("40")
        assert await socket.text() == '42["early","held until the answer"]'
        return socket


@pytest_asyncio.fixture
async def served(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Served]:
    monkeypatch.setattr(client, "REFUSED_CLOSE_S", 0.05)
    served = Served(EngineIO(connect_timeout_s=0.2))
    running = asyncio.ensure_future(served.server.run())
    yield served
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_client_of_revision_5_gets_an_id_that_is_not_the_key_of_its_session(served: Served) -> None:
    socket = asgi.Socket(served.server, f"/socket.io/?{V4}")
    await socket.accepted()
    sid = json.loads((await socket.text())[1:])["sid"]
    socket.say('40{"token":"x"}')
    answer = json.loads((await socket.text())[2:])
    assert answer == {"sid": served.application.sockets[0].id}
    assert answer["sid"] != sid
    assert served.application.requests[0] == ConnectRequested("/", {"token": "x"})


async def test_a_client_of_revision_4_is_connected_and_computes_its_id(served: Served) -> None:
    socket = asgi.Socket(served.server, f"/socket.io/?{V3}")
    await socket.accepted()
    sid = json.loads((await socket.text())[1:])["sid"]
    assert await socket.text() == "40"
    assert served.application.sockets[0].id == sid
    socket.say("40/chat?a=1&token=ns,")
    assert await socket.text() == '42["early","held until the answer"]'
    assert await socket.text() == "40/chat,"
    assert served.application.sockets[1].id == f"/chat#{sid}"


async def test_what_is_emitted_early_follows_the_answer(served: Served) -> None:
    await served.joined()
    await until(lambda: served.application.joined)


async def test_the_requests_query_wins_over_the_namespaces(served: Served) -> None:
    socket = await served.joined(V3 + "&token=request")
    socket.say("40/chat?token=ns&b=2,")
    await socket.text()
    assert served.application.sockets[1].handshake.query["token"] == "request"
    assert served.application.sockets[1].handshake.query["b"] == "2"


async def test_the_handshake_is_known_and_admits_notes_are_there_on_connect(served: Served) -> None:
    await served.http.get("EIO=3&transport=polling&token=t", headers={"X-A": "1"})
    await until(lambda: served.application.sockets)
    handshake = served.application.sockets[0].handshake
    assert handshake.query["token"] == "t"
    assert handshake.headers["x-a"] == "1"
    assert (handshake.address, handshake.transport, handshake.revision) == (asgi.CLIENT[0], "polling", 3)
    assert handshake.notes == {"user": "from admit"}


async def test_a_polling_handshake_can_be_refused_with_a_status(served: Served) -> None:
    served.application.refusal = Refusal(401, {"error": "Token is not valid"})
    answer = await served.http.get("EIO=3&transport=polling&token=bad", headers={"Origin": "https://a.example"})
    assert (answer.status, json.loads(answer.body)) == (401, {"error": "Token is not valid"})
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert (len(served.server), served.application.requests) == (0, [])


async def test_a_direct_websocket_is_refused_in_a_packet_that_it_can_read(served: Served) -> None:
    served.application.refusal = Refusal(401, {})
    served.application.answer = Refused("Token is not valid", close=True)
    old = await served.socket(V3)
    assert await old.text() == '44"Token is not valid"'
    await old.closed()
    new = await served.socket(V4)
    new.say("40")
    assert await new.text() == '44{"message":"Token is not valid"}'
    await new.closed()
    assert (served.application.joined, served.application.ends) == (0, [])


async def test_a_refused_client_may_stay_and_ask_again(served: Served) -> None:
    served.application.answer = Refused("not yet", {"code": 1})
    socket = await served.socket()
    socket.say("40")
    assert await socket.text() == '44{"message":"not yet","data":{"code":1}}'
    served.application.answer = Accepted()
    socket.say("40")
    assert (await socket.text()).startswith('40{"sid"')


@pytest.mark.parametrize(("query", "hello"), [(V4, "40"), (V3, None)])
async def test_who_cannot_join_right_now_is_closed_without_a_word_since_a_refused_client_stays_away(
    served: Served, query: str, hello: str | None
) -> None:
    served.application.answer = NotNow()
    socket = await served.socket(query)
    if hello is not None:
        socket.say(hello)
    await socket.closed()
    assert served.application.joined == 0


async def test_who_joins_nothing_in_time_is_closed(served: Served) -> None:
    socket = await served.socket()
    await socket.closed()
    joined = await served.joined()
    await asyncio.sleep(0.3)
    assert joined.sent.empty()


async def test_an_unknown_namespace_is_refused_and_the_rest_goes_on(served: Served) -> None:
    socket = await served.joined()
    socket.say("40/__proto__,")
    assert await socket.text() == '44/__proto__,{"message":"Invalid namespace"}'
    socket.say('421["a"]')
    assert await socket.text() == "431[]"


async def test_events_are_handled_in_order_and_acked_once(served: Served) -> None:
    socket = await served.joined()
    for number in range(20):
        socket.say(f'42{number}["n",{number}]')
    assert [await socket.text() for _ in range(20)] == [f"43{number}[{number}]" for number in range(20)]
    assert served.application.events == [("n", number) for number in range(20)]


async def test_a_slow_handler_makes_only_its_own_client_wait(served: Served) -> None:
    slow, other = await served.joined(), await served.joined()
    served.application.may_go_on.clear()
    for number in range(INBOX_HIGH + 50):
        slow.say(f'42["n",{number}]')
    await asyncio.sleep(0.05)
    other.say("2")
    await other.closed()
    assert len(served.application.sockets[0]._client._inbox) <= INBOX_HIGH + 1
    served.application.may_go_on.set()
    await until(lambda: len(served.application.events) == INBOX_HIGH + 50)


async def test_a_malformed_packet_ends_its_session_and_nothing_else(served: Served) -> None:
    socket, other = await served.joined(), await served.joined()
    socket.say("42{}")
    await socket.closed()
    await until(lambda: ("/", DisconnectReason.MALFORMED) in served.application.ends)
    other.say('421["a"]')
    assert await other.text() == "431[]"


async def test_a_bug_in_a_handler_is_logged_without_the_key_and_the_session_goes_on(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    socket = await served.joined(V3)
    with caplog.at_level(logging.DEBUG):
        socket.say('42["fail"]')
        socket.say('421["a"]')
        assert await socket.text() == "431[]"
    assert "a bug of the application" in caplog.text
    assert served.application.sockets[0].id not in caplog.text


async def test_a_bug_in_connect_refuses_the_client(served: Served) -> None:
    served.application.answer = RuntimeError("boom")
    socket = await served.socket()
    socket.say("40")
    assert await socket.text() == '44{"message":"Internal error"}'
    await socket.closed()


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        ("41", DisconnectReason.CLIENT_LEFT),
        ("1", DisconnectReason.CLIENT_CLOSED),
        (1000, DisconnectReason.CLIENT_CLOSED),
        (1006, DisconnectReason.LOST),
    ],
)
async def test_the_end_is_told_once_with_its_reason(served: Served, end: str | int, reason: DisconnectReason) -> None:
    socket = await served.joined()
    if isinstance(end, str):
        socket.say(end)
    else:
        socket.lose(end)
    await until(lambda: ("/", reason) in served.application.ends)
    socket.lose(1000)
    await socket.done()
    assert served.application.ends == [("/", reason)]
    assert reason.is_goodbye == (reason is not DisconnectReason.LOST)


async def test_a_client_that_goes_while_connect_is_running_is_told_to_the_application(served: Served) -> None:
    served.application.may_go_on.clear()
    socket = await served.socket()
    socket.say("40")
    await until(lambda: served.application.requests)
    socket.lose(1006)
    await socket.done()
    served.application.may_go_on.set()
    await until(lambda: ("/", DisconnectReason.LOST) in served.application.ends)
    assert served.application.joined == 0


async def test_disconnect_says_41_and_close_transport_never_does(served: Served) -> None:
    socket = await served.joined()
    served.application.sockets[0].disconnect()
    assert await socket.text() == "41"
    assert await socket.closed() == 1000
    await until(lambda: ("/", DisconnectReason.SERVER_LEFT) in served.application.ends)
    socket = await served.joined()
    served.application.sockets[1].close_transport()
    assert await socket.closed() == 4001
    await until(lambda: ("/", DisconnectReason.SERVER_CLOSED) in served.application.ends)


async def test_a_polling_client_fetches_its_disconnect(served: Served) -> None:
    query = "EIO=3&transport=polling&b64=1"
    answer = await served.http.get(query)
    query += f"&sid={json.loads(answer.text.partition(':')[2][1:])['sid']}"
    await until(lambda: served.application.joined)
    served.application.sockets[0].disconnect()
    assert (await served.http.get(query)).text == '2:4035:42["early","held until the answer"]2:41'
    assert (await served.http.get(query)).text == "1:1"


async def test_one_namespace_can_be_ended_alone(served: Served) -> None:
    socket = await served.joined()
    socket.say("40/chat")
    await socket.text()
    await socket.text()
    served.application.sockets[1].disconnect(close=False)
    assert await socket.text() == "41/chat,"
    socket.say('42/chat,["under way"]')
    socket.say('421["a"]')
    assert await socket.text() == "431[]"
    assert not served.application.sockets[1].is_connected


async def test_the_client_can_be_asked(served: Served) -> None:
    socket = await served.joined()
    asking = asyncio.ensure_future(served.application.sockets[0].emit_and_wait("q", 1, timeout_s=5))
    assert await socket.text() == '420["q",1]'
    socket.say('430["yes"]')
    assert await asking == ("yes",)
    with pytest.raises(TimeoutError):
        await served.application.sockets[0].emit_and_wait("q", timeout_s=0.01)


async def test_binary_events_work_in_both_directions(served: Served) -> None:
    socket = await served.joined()
    socket.say('451-5["b",{"_placeholder":true,"num":0}]')
    socket.say(b"\x01")
    assert await socket.text() == '461-5[{"_placeholder":true,"num":0}]'
    assert await socket.binary() == b"\x01"


async def test_ready_events_reach_both_revisions_and_are_encoded_once_each(served: Served) -> None:
    old, new = await served.joined(V3), await served.joined(V4)
    ready = [ready_event("a", "ž"), ready_event("b")]
    for socket in served.application.sockets:
        socket.emit_ready(ready[0])
        socket.write(b"".join(packet.frame(socket.revision) for packet in ready), ready)
    assert [await old.text() for _ in range(3)] == ['42["a","\\u017e"]', '42["a","\\u017e"]', '42["b"]']
    assert [await new.text() for _ in range(3)] == ['42["a","ž"]', '42["a","ž"]', '42["b"]']


async def test_volatile_events_are_dropped_while_they_cannot_leave(served: Served) -> None:
    query = "EIO=4&transport=polling"
    query += f"&sid={json.loads((await served.http.get(query)).text[1:])['sid']}"
    await served.http.post(query, "40")
    await until(lambda: served.application.joined)
    await served.http.get(query)
    socket = served.application.sockets[0]
    socket.emit("gone", volatile=True)
    socket.emit("kept")
    assert (await served.http.get(query)).text == '42["kept"]'
    waiting = served.http.start("GET", query)
    await until(lambda: socket.is_writable)
    socket.emit("now", volatile=True)
    assert (await waiting.done()).text == '42["now"]'


async def test_a_session_is_brought_back_with_what_it_missed_before_the_answer(served: Served) -> None:
    served.application.answer = Accepted(sid="old-id", pid="private", missed=[ReadyPacket('2["news","missed","o2"]')])
    socket = await served.socket()
    socket.say('40{"pid":"private","offset":"o1"}')
    assert await socket.text() == '42["news","missed","o2"]'
    assert await socket.text() == '40{"sid":"old-id","pid":"private"}'
    assert served.application.requests[0] == ConnectRequested("/", {}, pid="private", offset="o1")
    assert (served.application.sockets[0].id, served.application.sockets[0].pid) == ("old-id", "private")


async def test_after_the_end_emitting_does_nothing(served: Served) -> None:
    socket = await served.joined()
    held = served.application.sockets[0]
    socket.lose()
    await socket.done()
    held.emit("a")
    held.emit("a", ack=lambda _: None)
    held.emit_ready(ready_event("a"))
    held.write(b"", [])
    held.disconnect()
    assert not held.is_connected
    assert not held.is_writable
