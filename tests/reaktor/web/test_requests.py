"""The access log: a line for each request, whatever stands in its path."""

from __future__ import annotations

from typing import Any

import pytest

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
