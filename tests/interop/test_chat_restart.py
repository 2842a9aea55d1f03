"""`manage.py runserver` is killed and comes back: Socket.IO clients are where they were."""

from __future__ import annotations

import asyncio

import pytest

from tests.conftest import MakeServer
from tests.support.js_client import JsDriver
from tests.support.ports import wait_for
from tests.support.seed import Seed
from tests.support.server import LiveServer

pytestmark = pytest.mark.interop

BACK_S = 60.0
GRACES = {"SOCKETIO_QUIT_GRACE": "2s", "SOCKETIO_KEEP_GRACE": "2m", "SOCKETIO_RECOVERY": "2m"}
SEEN = """
from chat.selectors import places_page, worker_places
print("seen", *(place.heads.get({key!r}) for place in places_page(worker_places())[0]))
"""


def wait_seen(server: LiveServer, key: str, wanted: list[str]) -> None:
    """Until it is written how far all of them have come: nobody is left to say it when the process is killed."""
    script = SEEN.format(key=key)
    wait_for(lambda: server.manage("shell", "-v0", "-c", script).split()[1:] == wanted, BACK_S, "the places")


async def test_after_a_crash_of_the_development_server_clients_are_in_their_channels(
    make_server: MakeServer, driver: JsDriver
) -> None:
    """They were in none, and were refused when they posted."""
    server = await asyncio.to_thread(lambda: make_server(LIMITS="off", **GRACES))
    users = [Seed(server, *server.account()) for _ in range(2)]
    fans = [user.open(driver, library, ["websocket"]) for user, library in zip(users, ("sio25", "sio48"), strict=True)]
    key = (await users[0].create_channel("Restart"))["key"]
    for user, fan in zip(users, fans, strict=True):
        await fan.expect_event("logged_in")
        await user.join(key)
    (answer,) = await fans[0].call("message:post", {"channel": key, "message": "before"})
    await asyncio.to_thread(wait_seen, server, key, [str(answer["seq"])] * 2)
    await asyncio.to_thread(server.restart)
    recovered = [(await fan.expect("connect", BACK_S))["recovered"] for fan in fans]
    assert recovered == [None, True]
    await fans[0].call("message:post", {"channel": key, "message": "after"})
    while (await fans[1].expect_event("message:post", BACK_S))[0]["message"] != "after":
        pass
    heard = [line["args"][0]["message"] for line in fans[1].history if line.get("name") == "message:post"]
    assert heard == ["before", "after"]
