"""Engine.IO 3 and 4 against a real process, case by case as the published suites ask: our Daphne and the stock one."""

from __future__ import annotations

import asyncio
import json

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from tests.support.conformance_server import become, sid_of
from tests.support.engineio_client import GONE, Eio, receive, wait_closed

# Handshake


async def test_polling_opens_a_session(eio: Eio) -> None:
    response = await eio.http.get(eio.url())
    assert response.status_code == 200
    fields = json.loads(response.text[response.text.index("{") :])
    keys = {"sid", "upgrades", "pingInterval", "pingTimeout"} | ({"maxPayload"} if eio.revision == 4 else set())
    assert set(fields) == keys
    assert fields["upgrades"] == ["websocket"]
    assert (fields["pingInterval"], fields["pingTimeout"]) == (25_000, 20_000)


async def test_a_websocket_opens_a_session(eio: Eio) -> None:
    socket = await connect(eio.url(None, "websocket", eio._server.ws))
    fields = json.loads(str(await receive(socket))[1:])
    assert fields["upgrades"] == []
    assert fields.get("maxPayload") == (1_000_000 if eio.revision == 4 else None)
    await socket.close()


@pytest.mark.parametrize(
    "query", ["", "EIO=4", "transport=polling", "EIO=abc&transport=polling", "EIO=4&transport=abc"]
)
async def test_bad_queries_are_refused_on_both_transports(eio: Eio, query: str) -> None:
    assert (await eio.http.get(f"{eio._server.http}/engine.io/?{query}")).status_code == 400
    with pytest.raises(InvalidStatus):
        await connect(f"{eio._server.ws}/engine.io/?{query.replace('polling', 'websocket')}")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_a_handshake_must_be_a_get(eio: Eio, method: str) -> None:
    assert (await eio.http.request(method, eio.url())).status_code == 400


# Messages


async def test_polling_carries_several_packets(eio: Eio) -> None:
    sid = await eio.open()
    posted = await eio.post(sid, "4test1", "4test2", "4test3")
    assert (posted.status_code, posted.text) == (200, "ok")
    assert (await eio.get(sid)).text == eio.payload("4test1", "4test2", "4test3")


async def test_polling_carries_non_ascii_text_as_it_is(eio: Eio) -> None:
    sid = await eio.open()
    await eio.post(sid, "4utf-8 string: €")
    assert (await eio.get(sid)).text == eio.payload("4utf-8 string: €")


async def test_polling_carries_binary(eio: Eio) -> None:
    sid = await eio.open()
    if eio.revision == 4:
        await eio.post(sid, "bAQIDBA==")
        assert (await eio.get(sid)).text == "bAQIDBA=="
        return
    await eio.http.post(
        eio.url(sid), content=b"\x01\x05\xff\x04\x01\x02\x03\x04", headers={"Content-Type": "application/octet-stream"}
    )
    response = await eio.get(sid)
    assert response.headers["content-type"] == "application/octet-stream"
    assert response.content == b"\x01\x05\xff\x04\x01\x02\x03\x04"


async def test_polling_carries_base64_for_who_asked_for_it(eio: Eio) -> None:
    url = f"{eio.url()}&b64=1"
    sid = sid_of((await eio.http.get(url)).text)
    packet = "b4AQIDBA==" if eio.revision == 3 else "bAQIDBA=="
    await eio.http.post(f"{url}&sid={sid}", content=eio.payload(packet))
    assert (await eio.http.get(f"{url}&sid={sid}")).text == eio.payload(packet)


async def test_junk_by_post_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    assert (await eio.http.post(eio.url(sid), content="abc")).status_code == 400
    assert (await eio.get(sid)).text == GONE


async def test_a_duplicate_poll_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    answers = await asyncio.gather(eio.get(sid), eio.get(sid))
    first, second = sorted(answers, key=lambda answer: answer.status_code)
    assert (first.status_code, first.text, second.status_code) == (200, eio.payload("1"), 400)
    assert (await eio.get(sid)).text == GONE


async def test_a_cancelled_poll_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    poll = await eio.begin_poll(sid)
    poll.cancel()
    await asyncio.gather(poll, return_exceptions=True)
    await become(GONE, lambda: eio.post(sid, "6"))


async def test_a_body_over_the_limit_ends_the_session(eio: Eio) -> None:
    sid = await eio.open()
    assert (await eio.http.post(eio.url(sid), content="4" + "x" * 1_000_000)).status_code == 413
    assert (await eio.get(sid)).text == GONE


async def test_a_body_at_the_limit_is_taken(eio: Eio) -> None:
    sid = await eio.open()
    text = "4" + "x" * 999_000
    assert (await eio.post(sid, text)).status_code == 200
    assert (await eio.get(sid)).text == eio.payload(text)


async def test_a_websocket_carries_text_and_binary(eio: Eio) -> None:
    socket = await eio.socket()
    await socket.send("4utf-8: €😀")
    assert await receive(socket) == "4utf-8: €😀"
    binary = bytes([4] * (eio.revision == 3)) + b"\x01\x02\x03"
    await socket.send(binary)
    assert await receive(socket) == binary


async def test_junk_by_websocket_ends_the_session(eio: Eio) -> None:
    socket = await eio.socket()
    await socket.send("abc")
    await wait_closed(socket)


# Close


async def test_a_client_closes_by_polling(eio: Eio) -> None:
    sid = await eio.open()
    poll = await eio.begin_poll(sid)
    assert (await eio.post(sid, "1")).status_code == 200
    assert ((await poll).status_code, (await poll).text) == (200, eio.payload("6"))
    assert (await eio.get(sid)).text == GONE


async def test_a_client_closes_by_websocket(eio: Eio) -> None:
    socket = await eio.socket()
    await socket.send("1")
    await wait_closed(socket)
