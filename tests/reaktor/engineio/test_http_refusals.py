"""What long-polling refuses, in numbers and words that clients compare, and from whom."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from reaktor.config.model import EngineIO
from reaktor.engineio.packets import CloseReason
from tests.support.asgi import Socket
from tests.support.engineio_served import ERRORS, Served
from tests.support.engineio_served import POLLING_V3 as V3
from tests.support.engineio_served import POLLING_V4 as V4


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
        ("GET", V4 + "&j=0", 3),
        ("GET", V3 + "&j=", 3),
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
    assert (answer.status, answer.body) == (400, b"" if method == "HEAD" else ERRORS[code])
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["content-length"] == str(len(ERRORS[code]))
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
    query = await served.polling()
    assert (await served.http.get(query.replace("EIO=4", "EIO=3"))).body == ERRORS[3]
    assert (await served.http.post(query, "4still here")).status == 200


async def test_a_session_refuses_other_methods_and_transports(served: Served) -> None:
    query = await served.polling()
    assert (await served.http.start("PUT", query).done()).body == ERRORS[3]
    assert (await served.http.get(query.replace("polling", "websocket"))).body == ERRORS[3]


async def test_jsonp_is_refused_in_a_session_too_which_goes_on(served: Served) -> None:
    query = await served.polling(V3)
    assert (await served.http.get(query + "&j=0")).body == ERRORS[3]
    assert (await served.http.post(query + "&j=0", "d=3%3A4hi")).body == ERRORS[3]
    assert (await served.http.post(query, "3:4hi")).body == b"ok"


@pytest.mark.parametrize("announced", [True, False])
async def test_a_body_over_the_limit_is_413_and_ends_the_session(served: Served, announced: bool) -> None:
    query = await served.polling()
    if announced:
        call = served.http.start("POST", query, headers={"Content-Length": "1001"}, endless=True)
    else:
        call = served.http.start("POST", query, chunks=[b"4" + b"x" * 400] * 3)
    assert (await call.done()).status == 413
    assert served.echo.reasons == [CloseReason.TOO_LARGE]
    assert (await served.http.get(query)).body == ERRORS[1]


@pytest.mark.parametrize("body", [b"abc", b"", b"4\xff", b"2", b"4a\x1e" * 200])
async def test_an_undecodable_body_is_400_and_ends_the_session(served: Served, body: bytes) -> None:
    query = await served.polling()
    assert (await served.http.post(query, body)).status == 400
    assert (await served.http.get(query)).body == ERRORS[1]
    assert served.echo.reasons == [CloseReason.MALFORMED]


async def test_compressed_bodies_are_refused(served: Served) -> None:
    query = await served.polling()
    body = gzip.compress(b"4" + b"x" * 900)
    answer = await served.http.post(query, body, headers={"Content-Encoding": "gzip"})
    assert answer.status == 400
    assert served.echo.reasons == [CloseReason.MALFORMED]


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
    """A page whose proxy wants a header of its own got that header refused here, and granted under /channels."""
    for wanted in ("content-type", "authorization,x-trace"):
        asked = {"Origin": "https://good.example", "Access-Control-Request-Headers": wanted}
        answer = await served.http.start("OPTIONS", V4, headers=asked).done()
        assert answer.status == 200
        assert answer.headers["access-control-allow-headers"] == wanted
    refused = await served.http.start("OPTIONS", V4, headers={"Origin": "https://evil.example"}).done()
    assert refused.status == 403
    assert "access-control-allow-headers" not in refused.headers


async def test_internet_explorer_gets_its_filter_switched_off(served: Served) -> None:
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Trident/7.0; rv:11.0) like Gecko"}
    assert (await served.http.get(V3, headers=agent)).headers["x-xss-protection"] == "0"
    assert "x-xss-protection" not in (await served.http.get(V3)).headers


async def test_a_server_that_drains_or_is_full_refuses_handshakes_only() -> None:
    served = Served(EngineIO(max_sessions=1))
    query = await served.polling()
    assert (await served.http.get(V4)).status == 503
    served.server.stop_accepting()
    assert (await served.http.get(V4)).status == 503
    assert (await served.http.post(query, "4a")).status == 200
