"""A site ban as staff issue it over REST, so that the running server itself tells everybody of it."""

from __future__ import annotations

import httpx

from tests.support.server import LiveServer

BAN_UNTIL = "2100-01-02T00:00:00.000Z"


def ban_everywhere(server: LiveServer, username: str, *, reason: str) -> None:
    """Blocks; `username` is banned until BAN_UNTIL when it returns."""
    staff, token = server.account()
    server.manage(
        "shell",
        "-c",
        f"from accounts.models import User; User.objects.filter(username={staff!r}).update(is_staff=True)",
    )
    fields = {"kind": "ban", "username": username, "reason": reason, "until": BAN_UNTIL}
    answer = httpx.post(
        f"{server.url}/api/v1/sanctions", json=fields, headers={"Authorization": f"Bearer {token}"}, timeout=30
    )
    assert answer.status_code == 201, answer.text
