"""How clients get into a namespace of SocketIOServer, or don't: without a server or a network."""

from __future__ import annotations

import json

import pytest

from reaktor.engineio.application import Refusal
from reaktor.socketio.application import Accepted, NotNow, Refused
from reaktor.socketio.connection import ConnectRequested
from tests.support import asgi
from tests.support.socketio_served import V3, V4, Served
from tests.support.waiting import until


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


async def test_who_joins_nothing_in_time_is_closed(hurried: Served) -> None:
    socket = await hurried.socket()
    await socket.closed()


async def test_who_has_joined_has_no_deadline_any_more(served: Served) -> None:
    await served.joined()
    assert served.application.sockets[0]._client._timer is None


async def test_an_unknown_namespace_is_refused_and_the_rest_goes_on(served: Served) -> None:
    socket = await served.joined()
    socket.say("40/__proto__,")
    assert await socket.text() == '44/__proto__,{"message":"Invalid namespace"}'
    socket.say('421["a"]')
    assert await socket.text() == "431[]"
