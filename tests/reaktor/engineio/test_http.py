"""Long-polling through the ASGI application, without a server."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from reaktor.config import EngineIO
from reaktor.engineio.packets import CloseReason
from reaktor.engineio.server import EngineServer
from tests.support.asgi import HttpClient, Socket
from tests.support.engineio_echo import Echo
from tests.support.waiting import until

OPTIONS = EngineIO(max_payload_bytes=1000, allowed_origins=("https://good.example",), linger_s=0.2)
ERRORS = {
    0: b'{"code":0,"message":"Transport unknown"}',
    1: b'{"code":1,"message":"Session ID unknown"}',
    2: b'{"code":2,"message":"Bad handshake method"}',
    3: b'{"code":3,"message":"Bad request"}',
    4: b'{"code":4,"message":"Forbidden"}',
    5: b'{"code":5,"message":"Unsupported protocol version"}',
}
V4 = "EIO=4&transport=polling"
V3 = "EIO=3&transport=polling"


class Served:
    """A server, its application, and a client of it."""

    def __init__(self, options: EngineIO = OPTIONS, **arguments: bool) -> None:
        self.echo = Echo()
        self.server = EngineServer(options, self.echo, **arguments)
        self.http = HttpClient(self.server)

    async def open(self, base: str = V4) -> str:
        """A handshake; the query for what follows."""
        answer = await self.http.get(base)
        text = answer.text.partition(":")[2] if "EIO=3" in base else answer.text
        return f"{base}&sid={json.loads(text[1:])['sid']}"


@pytest_asyncio.fixture
async def served() -> AsyncIterator[Served]:
    served = Served()
    running = asyncio.ensure_future(served.server.run())
    yield served
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


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


@pytest.mark.parametrize(
    ("method", "query", "code"),
    [
        ("GET", "EIO=4", 0),
        ("GET", "EIO=4&transport=abc", 0),
        ("GET", "EIO=4&transport=__proto__", 0),
        ("GET", "EIO=4&transport=constructor", 0),
        ("GET", V4 + "&sid=nosuch", 1),
        ("GET", V4 + "&sid=__proto__", 1),
        ("GET", V4 + "&sid=", 1),
        ("POST", V4 + "&sid=constructor", 1),
        ("GET", "EIO=5&transport=polling&sid=nosuch", 1),
        ("POST", V4, 2),
        ("PUT", V4, 2),
        ("HEAD", V4, 2),
        ("GET", "EIO=4&transport=websocket", 3),
        ("GET", V3 + "&j=0", 3),
        ("GET", "transport=polling", 5),
        ("GET", "EIO=5&transport=polling", 5),
        ("GET", "EIO=4x&transport=polling", 5),
        ("GET", "EIO=%D9%A4&transport=polling", 5),
        ("GET", V4 + "".join(f"&a{number}=1" for number in range(200)), 3),
    ],
)
async def test_errors_are_numbered_and_worded_as_clients_compare_them(
    served: Served, method: str, query: str, code: int
) -> None:
    answer = await served.http.start(method, query).done()
    assert (answer.status, answer.body) == (400, ERRORS[code])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["access-control-allow-origin"] == "*"


async def test_answers_are_those_of_the_replaced_server_where_it_was_right(served: Served) -> None:
    exchanges = json.loads((Path(__file__).parent / "data" / "replaced_server.json").read_text())
    replayed = 0
    for exchange in exchanges:
        # It took any EIO, and JSONP; everything else that it refused is refused in the same words.
        if exchange["status"] == 400 and "L1" not in exchange["query"] and "Jk-shEAf" not in exchange["query"]:
            call = served.http.start(exchange["method"], exchange["query"], bytes.fromhex(exchange["request"] or ""))
            answer = await call.done()
            assert (answer.status, answer.body) == (400, bytes.fromhex(exchange["answer"])), exchange["label"]
            replayed += 1
    assert replayed >= 8


async def test_a_session_answers_only_to_its_own_revision(served: Served) -> None:
    query = await served.open()
    assert (await served.http.get(query.replace("EIO=4", "EIO=3"))).body == ERRORS[3]
    assert (await served.http.post(query, "4still here")).status == 200


async def test_a_session_refuses_other_methods_and_transports(served: Served) -> None:
    query = await served.open()
    assert (await served.http.start("PUT", query).done()).body == ERRORS[3]
    assert (await served.http.get(query.replace("polling", "websocket"))).body == ERRORS[3]


async def test_messages_go_both_ways(served: Served) -> None:
    query = await served.open()
    posted = await served.http.post(query, "4a\x1e4ž\x1ebAQI=")
    assert (posted.status, posted.body, posted.headers["content-type"]) == (200, b"ok", "text/html")
    assert (await served.http.get(query)).body == "4a\x1e4ž\x1ebAQI=".encode()


async def test_revision_3_answers_binary_as_octets_unless_asked_for_base64(served: Served) -> None:
    octets = {"headers": {"Content-Type": "application/octet-stream"}}
    query = await served.open(V3)
    await served.http.post(query, b"\x00\x03\xff4\xc5\xbe\x01\x03\xff\x04\x01\x02", **octets)
    answer = await served.http.get(query)
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.body == b"\x00\x03\xff4\xc5\xbe\x01\x03\xff\x04\x01\x02"
    query = await served.open(V3 + "&b64=1")
    await served.http.post(query, "6:b4AQID")
    answer = await served.http.get(query)
    assert (answer.headers["content-type"], answer.body) == ("text/plain; charset=UTF-8", b"6:b4AQID")


async def test_a_get_waits_and_is_answered_by_the_next_message(served: Served) -> None:
    query = await served.open()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    served.echo.sessions[0].send("now")
    assert (await waiting.done()).body == b"4now"


async def test_a_get_whose_client_goes_away_ends_the_session(served: Served) -> None:
    query = await served.open()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    waiting.drop()
    assert not (await waiting.done()).sent
    assert served.echo.reasons == [CloseReason.LOST]
    assert (await served.http.get(query)).body == ERRORS[1]


async def test_a_message_for_a_get_that_is_already_gone_is_not_taken(served: Served) -> None:
    query = await served.open()
    waiting = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    session = served.echo.sessions[0]
    waiting.drop()
    session.send("too late")
    assert not (await waiting.done()).sent
    assert served.echo.reasons == [CloseReason.LOST]


async def test_two_gets_at_a_time_end_the_session(served: Served) -> None:
    query = await served.open()
    first = served.http.start("GET", query)
    await until(lambda: served.echo.sessions[0].waiter)
    second = await served.http.get(query)
    assert (second.status, second.body) == (400, ERRORS[3])
    assert (await first.done()).body == b"1"
    assert (await served.http.get(query)).body == ERRORS[1]
    assert served.echo.reasons == [CloseReason.OVERLAP]


async def test_two_posts_at_a_time_end_the_session(served: Served) -> None:
    query = await served.open()
    first = served.http.start("POST", query, b"4a", endless=True)
    await asyncio.sleep(0)
    second = await served.http.post(query, "4b")
    assert second.body == ERRORS[3]
    assert served.echo.reasons == [CloseReason.OVERLAP]
    first.drop()
    await first.done()


async def test_a_post_whose_client_goes_away_ends_the_session(served: Served) -> None:
    query = await served.open()
    call = served.http.start("POST", query, b"4a", endless=True)
    call.drop()
    assert not (await call.done()).sent
    assert served.echo.reasons == [CloseReason.LOST]


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_413_and_ends_the_session(served: Served, announced: bool) -> None:
    query = await served.open()
    if announced:
        call = served.http.start("POST", query, headers={"Content-Length": "1001"}, endless=True)
    else:
        call = served.http.start("POST", query, chunks=[b"4" + b"x" * 400] * 3)
    assert (await call.done()).status == 413
    assert served.echo.reasons == [CloseReason.TOO_LARGE]
    assert (await served.http.get(query)).body == ERRORS[1]


@pytest.mark.parametrize("body", [b"abc", b"", b"4\xff", b"2", b"4a\x1e" * 200])
async def test_an_undecodable_body_is_400_and_ends_the_session(served: Served, body: bytes) -> None:
    query = await served.open()
    assert (await served.http.post(query, body)).status == 400
    assert (await served.http.get(query)).body == ERRORS[1]
    assert served.echo.reasons == [CloseReason.MALFORMED]


async def test_compressed_bodies_are_refused(served: Served) -> None:
    query = await served.open()
    body = gzip.compress(b"4" + b"x" * 900)
    answer = await served.http.post(query, body, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert served.echo.reasons == [CloseReason.MALFORMED]


async def test_a_client_closes_and_its_get_ends_with_a_noop(served: Served) -> None:
    for base, close, noop in ((V4, "1", b"6"), (V3, "1:1", b"1:6")):
        query = await served.open(base)
        waiting = served.http.start("GET", query)
        await until(lambda: served.echo.sessions[-1].waiter)
        assert (await served.http.post(query, close)).body == b"ok"
        assert (await waiting.done()).body == noop
        assert (await served.http.get(query)).body == ERRORS[1]
    assert served.echo.reasons == [CloseReason.LOST] * 2


async def test_a_closed_session_can_be_fetched_once_and_for_a_while(served: Served) -> None:
    query = await served.open()
    session = served.echo.sessions[0]
    session.send("last words")
    session.close()
    assert (await served.http.post(query, "4too late")).body == b"ok"
    assert (await served.http.get(query)).body == b"4last words"
    assert (await served.http.get(query)).body == b"1"
    assert (await served.http.get(query)).body == ERRORS[1]
    assert (await served.http.post(query, "4a")).body == ERRORS[1]
    await served.open()
    served.echo.sessions[-1].close()
    assert len(served.server) == 1
    await until(lambda: not len(served.server))


async def test_a_refused_handshake_makes_no_session_and_can_be_read_by_pages(served: Served) -> None:
    answer = await served.http.get(V3 + "&refuse=1", headers={"Origin": "https://good.example"})
    assert (answer.status, answer.body) == (401, b'{"error":"no"}')
    assert answer.headers["access-control-allow-origin"] == "https://good.example"
    assert len(served.server) == 0


async def test_an_allowed_origin_is_echoed_with_credentials(served: Served) -> None:
    for query in (V4, "EIO=4"):
        answer = await served.http.get(query, headers={"Origin": "https://good.example"})
        assert answer.headers["access-control-allow-origin"] == "https://good.example"
        assert answer.headers["access-control-allow-credentials"] == "true"
        assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "https://good.example.evil.example",
        "https://evilgood.example",
        "http://good.example",
        "https://good.example:81",
        "https://good.example/",
        "*",
        "",
    ],
)
async def test_another_origin_is_forbidden_and_reads_nothing(served: Served, origin: str) -> None:
    answer = await served.http.get(V4, headers={"Origin": origin})
    assert (answer.status, answer.body) == (403, ERRORS[4])
    assert "access-control-allow-origin" not in answer.headers
    socket = Socket(served.server, "/socket.io/?EIO=4&transport=websocket", headers={"Origin": origin})
    assert (await socket.next())["type"] == "websocket.close"


async def test_a_preflight_names_the_headers(served: Served) -> None:
    asked = {"Origin": "https://good.example", "Access-Control-Request-Headers": "content-type"}
    answer = await served.http.start("OPTIONS", V4, headers=asked).done()
    assert answer.status == 200
    assert answer.headers["access-control-allow-headers"] == "Content-Type"
    asked["Access-Control-Request-Headers"] = "authorization, content-type"
    answer = await served.http.start("OPTIONS", V4, headers=asked).done()
    assert answer.headers["access-control-allow-headers"] == "Content-Type, Authorization"
    refused = await served.http.start("OPTIONS", V4, headers={"Origin": "https://evil.example"}).done()
    assert refused.status == 403
    assert "access-control-allow-headers" not in refused.headers


async def test_internet_explorer_gets_its_filter_switched_off(served: Served) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko"}
    assert (await served.http.get(V3, headers=agent)).headers["x-xss-protection"] == "0"
    assert "x-xss-protection" not in (await served.http.get(V3)).headers


async def test_a_server_that_drains_or_is_full_refuses_handshakes_only() -> None:
    served = Served(EngineIO(max_sessions=1))
    query = await served.open()
    assert (await served.http.get(V4)).status == 503
    served.server.stop_accepting()
    assert (await served.http.get(V4)).status == 503
    assert (await served.http.post(query, "4a")).status == 200


async def test_a_busy_application_makes_the_next_answer_wait(served: Served) -> None:
    query = await served.open()
    session = served.echo.sessions[0]
    session.pause_reading()
    call = served.http.start("POST", query, b"4a")
    await until(lambda: session.is_writable is False and not session.machine.is_finished)
    await asyncio.sleep(0.01)
    assert not call.task.done()
    session.resume_reading()
    assert (await call.done()).body == b"ok"


async def test_jsonp_works_where_it_is_switched_on() -> None:
    served = Served(allow_jsonp=True)
    base = V3 + "&j=0"
    answer = await served.http.get(base)
    assert answer.headers["content-type"].startswith("text/javascript")
    assert answer.text.startswith('___eio[0]("')
    payload = json.loads(answer.text.removeprefix("___eio[0](").removesuffix(");"))
    query = f"{base}&sid={json.loads(payload.partition(':')[2][1:])['sid']}"
    assert (await served.http.post(query, "d=5%3A4a%E2%80%A8%5Cnb")).body == b"ok"
    served.echo.sessions[0].send(b"\x01")
    assert (await served.http.get(query)).text == '___eio[0]("5:4a\\u2028\\nb6:b4AQ==");'
