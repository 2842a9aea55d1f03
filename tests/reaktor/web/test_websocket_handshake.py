"""What a client must say to open a WebSocket, and what it is answered; an independent client (websockets) agrees."""

import pytest
from websockets.client import ClientProtocol
from websockets.protocol import OPEN
from websockets.uri import parse_uri

from reaktor.web.websocket_handshake import Opening, OpeningError, accept_key, accepted, read_opening

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
HEADERS = {
    b"host": b"x",
    b"connection": b"Upgrade",
    b"upgrade": b"websocket",
    b"sec-websocket-key": KEY,
    b"sec-websocket-version": b"13",
}


def said(**changes):
    """The headers of a good handshake with these changes; None: it is missing."""
    headers = HEADERS | {name.replace("_", "-").encode(): value for name, value in changes.items()}
    return [(name, value) for name, value in headers.items() if value is not None]


def test_the_key_of_the_specification_has_the_answer_of_the_specification():
    assert accept_key(KEY) == b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="


@pytest.mark.parametrize(
    "headers",
    [
        said(),
        said(upgrade=b"WebSocket", connection=b"keep-alive, UPGRADE"),
        said(upgrade=b"h2c, websocket"),
        [*said(connection=b"keep-alive"), (b"connection", b"upgrade")],
        said(sec_websocket_extensions=b"permessage-deflate; client_max_window_bits=nonsense"),
        said(origin=b"no origin at all"),
    ],
)
def test_a_good_handshake_is_read(headers):
    assert read_opening(b"GET", headers) == Opening(KEY)


def test_subprotocols_are_read_in_the_order_of_the_client_from_all_lines():
    headers = [*said(sec_websocket_protocol=b"reaktor.v1, bearer.abc"), (b"sec-websocket-protocol", b"other")]
    assert read_opening(b"GET", headers).subprotocols == ("reaktor.v1", "bearer.abc", "other")


@pytest.mark.parametrize(
    "headers",
    [
        said(upgrade=None),
        said(upgrade=b"websockets"),
        said(connection=None),
        said(connection=b"keep-alive"),
        said(sec_websocket_version=None),
        said(sec_websocket_key=None),
        said(sec_websocket_key=b"short=="),
        said(sec_websocket_key=KEY[:-2] + b"!="),
        said(sec_websocket_key=KEY + b"x"),
        [*said(), (b"sec-websocket-key", KEY)],
        said(sec_websocket_protocol=b"one, two, one"),
        [*said(sec_websocket_protocol=b"one"), (b"sec-websocket-protocol", b"one")],
    ],
)
def test_what_is_no_handshake_is_a_bad_request(headers):
    with pytest.raises(OpeningError) as error:
        read_opening(b"GET", headers)
    assert (error.value.status, error.value.headers) == (400, ())


def test_only_get_opens():
    with pytest.raises(OpeningError) as error:
        read_opening(b"POST", said())
    assert error.value.status == 400


@pytest.mark.parametrize("version", [b"8", b"14", b"thirteen", b"", b"13, 8"])
def test_another_version_is_told_ours(version):
    with pytest.raises(OpeningError) as error:
        read_opening(b"GET", said(sec_websocket_version=version))
    assert (error.value.status, error.value.headers) == (426, ((b"sec-websocket-version", b"13"),))


@pytest.mark.parametrize("subprotocol", [None, "reaktor.v1"])
def test_an_independent_client_takes_the_answer(subprotocol):
    client = ClientProtocol(parse_uri("ws://x/"), subprotocols=["other", "reaktor.v1"])
    request = client.connect()
    client.send_request(request)
    opening = read_opening(b"GET", [(name.lower().encode(), value.encode()) for name, value in request.headers.items()])
    client.receive_data(accepted(opening, subprotocol, [(b"date", b"now"), (b"x-a", b"1"), (b"x-a", b"2")]))
    assert (client.handshake_exc, client.state, client.subprotocol) == (None, OPEN, subprotocol)
    [response] = client.events_received()
    assert (response.headers["date"], response.headers.get_all("x-a")) == ("now", ["1", "2"])


def test_a_subprotocol_that_nobody_offered_is_not_accepted():
    with pytest.raises(ValueError, match="offers"):
        accepted(Opening(KEY, ("one",)), "two", [])
