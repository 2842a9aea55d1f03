"""HTTP on our Daphne: bounded in size, time and number while bytes come in; answers in our own shape."""

import contextlib
import json
import re
import socket
import struct
import time
from email.utils import parsedate_to_datetime

import httpx
import pytest
from twisted.internet import endpoints

from reaktor.cluster.daphne import quoted
from reaktor.web.edge import SAFETY
from tests.support.ports import wait_for


def raw(server, data=b"", timeout=5.0, source="127.0.0.1"):
    connection = socket.create_connection(("127.0.0.1", server.port), timeout=timeout, source_address=(source, 0))
    connection.sendall(data)
    return connection


def everything(connection):
    data = b""
    with contextlib.suppress(ConnectionResetError):
        while part := connection.recv(65_536):
            data += part
    return data


def is_served(server, source):
    try:
        with raw(server, b"GET /who HTTP/1.0\r\nHost: x\r\n\r\n", source=source) as connection:
            return b" 200 OK" in everything(connection)
    except OSError:
        return False


def rss(server):
    return httpx.get(f"{server.url}/rss").json()["rss"]


def chunks(size, piece=64 * 1024):
    for _ in range(size // piece):
        yield b"x" * piece


def test_any_path_may_stand_in_an_endpoint_description():
    """In a DATA_DIR with a colon or an equals sign no worker started: Twisted took the rest for an option."""
    path = "/srv/a#b?c%d+e=f:g&h i\\j/worker.sock"
    assert endpoints._parse(f"unix:{quoted(path)}:mode=600") == (["unix", path], {"mode": "600"})


def test_a_body_within_the_limit_arrives_whole_however_it_is_sent(server):
    body = b"x" * 256 * 1024
    assert httpx.post(f"{server.url}/echo", content=body).json() == {"bytes": len(body)}
    assert httpx.post(f"{server.url}/echo", content=chunks(len(body))).json() == {"bytes": len(body)}


@pytest.mark.parametrize("size", [256 * 1024 + 1, 1024 * 1024])
def test_a_larger_body_is_413_by_its_length_before_it_comes_and_by_counting_when_chunked(server, size):
    announced = httpx.post(f"{server.url}/echo", content=b"x" * size)
    counted = httpx.post(f"{server.url}/echo", content=chunks(size + 64 * 1024))
    for answer in (announced, counted):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "too_large"
        assert answer.headers["connection"] == "close"


def test_a_hundred_megabytes_in_chunks_are_cut_off_and_cost_no_memory(server):
    httpx.get(f"{server.url}/who")
    before = rss(server)
    with raw(server, b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n") as connection:
        chunk = b"%x\r\n" % 65_536 + b"x" * 65_536 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(100 * 16):
                connection.sendall(chunk)
    assert rss(server) - before < 5 * 1024 * 1024


def test_an_encoded_body_is_refused(server):
    answer = httpx.post(f"{server.url}/echo", content=b"x", headers={"content-encoding": "gzip"})
    assert answer.status_code == 415
    assert answer.json()["error"]["code"] == "invalid"


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nno colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: identity\r\n\r\n",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET who HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET http://u@x/who HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET ftp://x/who HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad name: 1\r\n\r\n",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_http_is_400_in_json_and_says_nothing_of_the_server(server, request_bytes):
    with raw(server, request_bytes) as connection:
        answer = everything(connection)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b'"code": "invalid"' in body
    for leak in (b"Traceback", b"html", b"Server:", b"Daphne", b"Twisted"):
        assert leak.lower() not in answer.lower()


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: a\r\n" * 600 + b"\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"a" * 4_000 + b"\r\n") * 9 + b"\r\n", 431),
    ],
)
def test_what_is_too_long_has_a_status_of_its_own(server, request_bytes, status):
    with raw(server, request_bytes) as connection:
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b'"code": "too_large"' in body


@pytest.mark.parametrize("target", [b"http://other.example/who?a=1", b"HTTP://other.example/who?a=1"])
def test_a_target_in_absolute_form_is_taken_and_its_host_counts(server, target):
    """RFC 9112, 3.2.2: a server takes it. Here it was a path that nobody serves."""
    with raw(server, b"GET " + target + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        answer = everything(connection)
    assert answer.startswith(b"HTTP/1.1 200 ")
    said = json.loads(answer[answer.index(b"{") : answer.rindex(b"}") + 1])
    assert (said["path"], said["host"]) == ("/who", "other.example")
    with raw(server, b"GET http://other.example?a=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n") as connection:
        assert b"HTTP/1.1 400 " not in everything(connection)


def page_asks(path, origin, more=b""):
    return b"POST %s HTTP/1.1\r\nHost: x\r\nOrigin: %s\r\n%s\r\n" % (path, origin, more)


REFUSED = {
    413: b"Content-Length: 999999999\r\n",
    415: b"Content-Encoding: gzip\r\n",
    400: b"Transfer-Encoding: gzip\r\n",
    408: b"Content-Length: 5\r\n",
    # What stands right before or behind the large header was not read.
    431: b"Accept: */*\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
}


@pytest.mark.parametrize("status", REFUSED)
@pytest.mark.parametrize(
    ("path", "origin", "allowed", "credentials"),
    [
        (b"/channels/x/join", b"https://anybody.example", b"*", False),
        (b"/Auth/Login", b"https://anybody.example", b"*", False),
        (b"/api/v1/me", b"https://app.example", b"https://app.example", False),
        (b"/api/v1/me", b"https://evil.example", None, False),
        (b"/socket.io/?EIO=4", b"https://anybody.example", b"https://anybody.example", True),
        (b"/who", b"https://app.example", None, False),
    ],
)
def test_a_refusal_is_as_safe_dated_and_readable_as_any_other_answer(
    server, status, path, origin, allowed, credentials
):
    """A page that sent too much saw a network error: the refusal did not say that the page may read it."""
    with raw(server, page_asks(path, origin, REFUSED[status])) as connection:
        head, _, body = everything(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    headers = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
    assert parsedate_to_datetime(headers[b"date"].decode()).timestamp() == pytest.approx(time.time(), abs=30)
    for name, value in SAFETY:
        assert headers[name].lower() == value.lower()
    assert b"strict-transport-security" in headers
    assert headers.get(b"access-control-allow-origin") == allowed
    assert (b"access-control-allow-credentials" in headers) is credentials
    error = json.loads(body)["error"]
    assert isinstance(error, str if path.lower().startswith((b"/auth", b"/channels")) else dict)


def test_every_answer_has_a_date(server):
    """A device whose clock is wrong could not find out (RFC 9110, 6.6.1), and took good tokens for old ones."""
    for path in ("who", "fail", "silent", "nowhere"):
        assert parsedate_to_datetime(httpx.get(f"{server.url}/{path}").headers["date"]).tzinfo is not None
    upgrade = b"GET %s HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n%s\r\n"
    with raw(server, upgrade % (b"/who", b"Sec-WebSocket-Version: 13\r\n")) as connection:
        head = everything(connection).partition(b"\r\n\r\n")[0]
    assert head.startswith(b"HTTP/1.1 400 ")
    assert head.lower().count(b"\r\ndate: ") == 1


@pytest.mark.parametrize("path", ["fail", "silent"])
def test_an_application_that_fails_or_forgets_to_answer_is_500_without_its_words(server, path):
    answer = httpx.get(f"{server.url}/{path}")
    assert answer.status_code == 500
    assert answer.json()["error"]["code"] == "internal"
    assert "secret" not in answer.text


def test_an_application_that_is_not_there_is_503_and_the_connection_ends(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as client:
        client.sendall(b"GET /absent HTTP/1.1\r\nHost: x\r\n\r\n")
        said = b"".join(iter(lambda: client.recv(65_536), b""))
    assert said.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: 5\r\n" in said.lower()


def test_an_answer_left_half_said_is_cut(server):
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/half")


def test_no_server_header_and_no_version_anywhere(server):
    assert "server" not in httpx.get(f"{server.url}/who").headers


@pytest.mark.parametrize(
    "trickle",
    [
        [b"GET /who HTTP/1.1\r\n"] + [b"X-%d: y\r\n" % number for number in range(100)],
        [b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"] + [b"x"] * 100,
    ],
    ids=["headers", "body"],
)
def test_a_trickled_request_is_cut_however_steadily_it_trickles(server, trickle):
    started = time.monotonic()
    with raw(server) as connection:
        connection.setblocking(False)
        answer = b""
        for part in trickle:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                connection.sendall(part)
            with contextlib.suppress(BlockingIOError):
                answer = connection.recv(1000)
                break
            time.sleep(0.1)  # how slowly it trickles
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert 1.0 < time.monotonic() - started < 5.0


def test_a_connection_that_says_nothing_is_closed(server):
    with raw(server) as connection:
        started = time.monotonic()
        assert everything(connection) == b""
        assert time.monotonic() - started < 5.0


def test_a_kept_alive_connection_serves_requests_beyond_the_header_timeout(server):
    with httpx.Client() as client:
        assert client.get(f"{server.url}/who").status_code == 200
        time.sleep(2.6)  # how long it idles: beyond the time limit of a header
        stream = client.get(f"{server.url}/slow?2.6")
        assert stream.status_code == 200


def test_more_connections_than_an_address_may_hold_get_429_and_room_comes_back(narrow):
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(raw(narrow, source="127.0.0.77")) for _ in range(5)]
        wait_for(lambda: not is_served(narrow, "127.0.0.77"), what="a refusal")
        with raw(narrow, b"GET /who HTTP/1.1\r\nHost: x\r\n\r\n", source="127.0.0.77") as sixth:
            answer = everything(sixth)
        assert answer.startswith(b"HTTP/1.1 429 ")
        assert b"Retry-After: " in answer
        for name, value in SAFETY:
            assert name.title() + b": " + value in answer
        assert is_served(narrow, "127.0.0.78")
        for connection in held:
            connection.close()
        wait_for(lambda: is_served(narrow, "127.0.0.77"), what="room for the address")


def test_a_reset_connection_gives_its_place_back(narrow):
    for _ in range(50):
        with contextlib.suppress(ConnectionResetError), raw(narrow, source="127.0.0.79") as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    wait_for(lambda: is_served(narrow, "127.0.0.79"), what="room for the address")


def who(server, headers, source="127.0.0.1"):
    with httpx.Client(transport=httpx.HTTPTransport(local_address=source)) as client:
        return client.get(f"{server.url}/who", headers=headers).json()


def test_only_a_trusted_proxy_says_who_its_client_is(narrow):
    claim = {"x-forwarded-for": "198.51.100.1, 203.0.113.9", "x-forwarded-proto": "https"}
    assert who(narrow, claim)["client"][0] == "127.0.0.1"
    assert who(narrow, claim)["scheme"] == "http"
    assert who(narrow, claim, source="127.0.0.9")["client"] == ["203.0.113.9", 0]
    assert who(narrow, claim, source="127.0.0.9")["scheme"] == "https"


def test_a_process_of_ours_on_the_unix_socket_says_who_its_client_is(server):
    with httpx.Client(transport=httpx.HTTPTransport(uds=str(server.unix))) as client:
        assert (
            client.get("http://x/who", headers={"x-forwarded-for": "203.0.113.9"}).json()["client"][0] == "203.0.113.9"
        )
        assert client.get("http://x/who").json()["client"] is None


def test_a_client_cannot_move_the_applications_root(server):
    assert httpx.get(f"{server.url}/who", headers={"daphne-root-path": "/evil"}).status_code == 200


def test_the_unused_header_of_a_failed_upgrade_is_answered_in_json(server):
    answer = httpx.get(f"{server.url}/who", headers={"upgrade": "websocket", "connection": "upgrade"})
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid"


def test_a_streamed_body_in_chunks_of_a_byte_is_few_messages(server):
    """Each would be an entry of hundreds of bytes in memory, and a turn of a thread."""
    size = 100_000
    head = b"POST /api/v1/files HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    with raw(server, head + b"1\r\nx\r\n" * size + b"0\r\n\r\n", timeout=30.0) as connection:
        answer = json.loads(re.search(rb"\{.*\}", everything(connection))[0])
    assert answer["bytes"] == size
    assert answer["messages"] < size / 100


def test_a_streamed_body_arrives_whole_however_it_is_cut(server):
    body = bytes(range(256)) * 4_000
    for size in (1_000, 65_536, len(body)):
        parts = (body[start : start + size] for start in range(0, len(body), size))
        answer = httpx.post(f"{server.url}/api/v1/files", content=parts, timeout=30)
        assert answer.json()["bytes"] == len(body)
    assert httpx.post(f"{server.url}/api/v1/files", content=body).json()["bytes"] == len(body)
