"""What every answer gets: its date, and a line in the access log, whatever stands in the path."""

from __future__ import annotations

from typing import Any

import pytest
from autobahn.exception import Disconnected

from reaktor.web.requests import Requests


async def answer(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 404, "headers": []})


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("/api/v1/me", "/api/v1/me"),
        ("/x\n192.0.2.9 GET /admin/ 200 1 ms", "/x%0A192.0.2.9%20GET%20/admin/%20200%201%20ms"),
        ("/\r\x1b[2J\u2028\x85", "/%0D%1B%5B2J%E2%80%A8%C2%85"),
        ("/half \ud83d", "/half%20%ED%A0%BD"),
    ],
)
async def test_a_path_can_not_forge_a_line(path: str, shown: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "reaktor.access")

    async def ignore(message: Any) -> None:
        pass

    scope = {"type": "http", "method": "GET", "path": path, "headers": [], "client": ("192.0.2.1", 5)}
    await Requests(answer, access_log=True)(scope, ignore, ignore)  # type: ignore[arg-type]  # nothing is received
    (line,) = caplog.messages
    assert line.startswith(f"192.0.2.1 GET {shown} 404 ")


async def test_what_is_sent_while_the_socket_closes_is_dropped() -> None:
    """runserver wrote a traceback, and with it went what else the connection had to do."""
    asked: list[str] = []

    async def talk(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.send", "text": "late"})
        await send({"type": "websocket.close"})

    async def closing(message: Any) -> None:
        asked.append(message["type"])
        raise Disconnected("Attempt to send on a closed protocol")

    scope = {"type": "websocket", "path": "/ws/v1", "headers": []}
    await Requests(talk, access_log=False)(scope, closing, closing)  # type: ignore[arg-type]  # nothing is received
    assert asked == ["websocket.send", "websocket.close"]


@pytest.mark.parametrize(
    "own", [[], [(b"Date", b"Thu, 01 Jan 1970 00:00:00 GMT"), (b"X-Content-Type-Options", b"nosniff")]]
)
async def test_an_answer_has_one_date(own: list[tuple[bytes, bytes]]) -> None:
    """No answer had one, so a device with a wrong clock took its good token for an old one."""
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def dated(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": own})

    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    await Requests(dated, access_log=False)(scope, send, send)  # type: ignore[arg-type]  # nothing is received
    names = sorted(name.lower() for name, _ in sent[0]["headers"])
    assert names == [b"date", b"x-content-type-options", b"x-request-id"]
