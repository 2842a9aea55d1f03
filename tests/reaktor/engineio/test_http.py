"""Long-polling through the ASGI application, without a server."""

from __future__ import annotations

import asyncio
import json

from reaktor.engineio.packets import CloseReason
from tests.support.engineio_served import ERRORS, Served
from tests.support.engineio_served import POLLING_V3 as V3
from tests.support.engineio_served import POLLING_V4 as V4
from tests.support.waiting import until


async def test_the_handshake_of_revision_4_has_exactly_five_keys(served: Served) -> None:
    answer = await served.http.get(V4)
    assert answer.status == 200
    assert answer.headers["content-type"] == "text/plain; charset=UTF-8"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body[:1] == b"0"
    fields = json.loads(answer.body[1:])
    assert list(fields) == ["sid", "upgrades", "pingInterval", "pingTimeout", "maxPayload"]
    assert fields["upgrades"] == ["websocket"]
    assert (fields["pingInterval"], fields["pingTimeout"], fields["maxPayload"]) == (25000, 20000, 1000)


async def test_the_handshake_of_revision_3_has_four_and_a_length(served: Served) -> None:
    answer = await served.http.get(V3 + "&b64=1")
    length, _, rest = answer.text.partition(":")
    assert len(rest) == int(length)
    assert list(json.loads(rest[1:])) == ["sid", "upgrades", "pingInterval", "pingTimeout"]


async def test_messages_go_both_ways(served: Served) -> None:
    query = await served.polling()
    posted = await served.http.post(query, "4a\x1e4ž\x1ebAQI=")
    assert (posted.status, posted.body, posted.headers["content-type"]) == (200, b"ok", "text/html")
    assert (await served.http.get(query)).body == "4a\x1e4ž\x1ebAQI=".encode()


async def test_revision_3_answers_binary_as_octets_unless_asked_for_base64(served: Served) -> None:
    octets = {"headers": {"Content-Type": "application/octet-stream"}}
    query = await served.polling(V3)
    await served.http.post(query, b"\x00\x03\xff4\xc5\xbe\x01\x03\xff\x04\x01\x02", **octets)
    answer = await served.http.get(query)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.body == b"\x00\x03\xff4\xc5\xbe\x01\x03\xff\x04\x01\x02"
    query = await served.polling(V3 + "&b64=1")
    await served.http.post(query, "6:b4AQID")
    answer = await served.http.get(query)
    assert (answer.headers["content-type"], answer.body) == ("text/plain; charset=UTF-8", b"6:b4AQID")


async def test_a_get_waits_and_is_answered_by_the_next_message(served: Served) -> None:
    query = await served.polling()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    served.echo.sessions[0].send("now")
    assert (await waiting.done()).body == b"4now"


async def test_a_get_whose_client_goes_away_ends_the_session(served: Served) -> None:
    query = await served.polling()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    waiting.drop()
    assert not (await waiting.done()).sent
    assert served.echo.reasons == [CloseReason.LOST]
    assert (await served.http.get(query)).body == ERRORS[1]


async def test_a_message_for_a_get_that_is_already_gone_is_not_taken(served: Served) -> None:
    query = await served.polling()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    session = served.echo.sessions[0]
    waiting.drop()
    session.send("too late")
    assert not (await waiting.done()).sent
    assert served.echo.reasons == [CloseReason.LOST]


async def test_two_gets_at_a_time_end_the_session(served: Served) -> None:
    query = await served.polling()
    first = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    second = await served.http.get(query)
    assert (second.status, second.body) == (400, ERRORS[3])
    assert (await first.done()).body == b"1"
    assert (await served.http.get(query)).body == ERRORS[1]
    assert served.echo.reasons == [CloseReason.OVERLAP]


async def test_two_posts_at_a_time_end_the_session(served: Served) -> None:
    query = await served.polling()
    first = served.http.start("POST", query, b"4a", endless=True)
    await asyncio.sleep(0)
    second = await served.http.post(query, "4b")
    assert second.body == ERRORS[3]
    assert served.echo.reasons == [CloseReason.OVERLAP]
    first.drop()
    await first.done()


async def test_a_post_whose_client_goes_away_ends_the_session(served: Served) -> None:
    query = await served.polling()
    call = served.http.start("POST", query, b"4a", endless=True)
    call.drop()
    assert not (await call.done()).sent
    assert served.echo.reasons == [CloseReason.LOST]


async def test_a_client_closes_and_its_get_ends_with_a_noop(served: Served) -> None:
    for base, close, noop in ((V4, "1", b"6"), (V3, "1:1", b"1:6")):
        query = await served.polling(base)
        waiting = served.http.start("GET", query)
        await until(lambda: served.echo.sessions[-1].waiter)
        assert (await served.http.post(query, close)).body == b"ok"
        assert (await waiting.done()).body == noop
        assert (await served.http.get(query)).body == ERRORS[1]
    assert served.echo.reasons == [CloseReason.LOST] * 2


async def test_a_closed_session_can_be_fetched_once(served: Served) -> None:
    query = await served.polling()
    session = served.echo.sessions[0]
    session.send("last words")
    session.close()
    assert (await served.http.post(query, "4too late")).body == b"ok"
    assert (await served.http.get(query)).body == b"4last words"
    assert (await served.http.get(query)).body == b"1"
    assert (await served.http.get(query)).body == ERRORS[1]
    assert (await served.http.post(query, "4a")).body == ERRORS[1]


async def test_a_closed_session_can_be_fetched_for_a_while(hurried: Served) -> None:
    await hurried.polling()
    hurried.echo.sessions[-1].close()
    assert len(hurried.server) == 1
    await until(lambda: not len(hurried.server))


async def test_a_busy_application_makes_the_next_answer_wait(served: Served) -> None:
    query = await served.polling()
    session = served.echo.sessions[0]
    session.pause_reading()
    call = served.http.start("POST", query, b"4a")
    await until(lambda: session.is_writable is False and not session.machine.is_finished)
    await asyncio.sleep(0.01)
    assert not call.task.done()
    session.resume_reading()
    assert (await call.done()).body == b"ok"
