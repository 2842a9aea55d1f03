"""Who asks for the client library is told where it is."""

from __future__ import annotations

import pytest

from reaktor.socketio.client_file import client_file_reply


@pytest.mark.parametrize("name", ["socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.min.js.map"])
def test_the_library_is_not_here_and_the_answer_says_where_it_is(name: str) -> None:
    """A page that loads /socket.io/socket.io.js was told "Transport unknown", which helps nobody."""
    reply = client_file_reply({"type": "http", "method": "GET", "path": f"/socket.io/{name}", "headers": []})
    assert reply is not None
    assert reply.status == 404
    assert b"socket.io-client" in reply.body


@pytest.mark.parametrize(
    ("kind", "method", "path"),
    [
        ("http", "GET", "/socket.io/"),
        ("http", "POST", "/socket.io/socket.io.js"),
        ("websocket", "GET", "/socket.io/socket.io.js"),
        ("http", "GET", "/socket.io/socket.io.js/x"),
    ],
)
def test_everything_else_goes_on_to_the_engine(kind: str, method: str, path: str) -> None:
    assert client_file_reply({"type": kind, "method": method, "path": path, "headers": []}) is None
