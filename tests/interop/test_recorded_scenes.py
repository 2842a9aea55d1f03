"""What the original server's clients heard, recorded from it, scene by scene; ours must hear the same.

data/recorded_scenes.json: three people in one channel, what one does, and the events that each of them got. Where we
say more (channel, id, seq) the recorded fields must be among ours. Where the original was broken, scenes are left out.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeServer
from tests.support.js_client import JsClient, JsDriver
from tests.support.seed import Seed

pytestmark = pytest.mark.interop

SCENES = json.loads((Path(__file__).parent / "data" / "recorded_scenes.json").read_text(encoding="utf-8"))
NAMES = ("alice", "bob", "carol")
KEY = "scene"
EVENTS = {"user : joined", "user : left", "user : quit", "user : status_changed", "message:post"}


@pytest.fixture
async def people(make_server: MakeServer, driver: JsDriver) -> dict[str, tuple[Seed, JsClient]]:
    live = make_server(LIMITS="off", LOG_LEVEL="WARNING")
    found = {}
    for name in (*NAMES, "marker"):
        user = await Seed(live, name).register()
        client = user.open(driver, "sio17", ["websocket"])
        await client.expect_event("logged_in")
        found[name] = (user, client)
    return found


async def heard_until_marked(people: dict[str, tuple[Seed, JsClient]], mark: str) -> dict[str, list[list[Any]]]:
    """What each of them heard up to a new channel of this name, which everybody connected is told of."""
    user, _ = people["marker"]
    await user.create_channel(mark)
    heard: dict[str, list[list[Any]]] = {}
    for name in NAMES:
        lines: list[list[Any]] = []
        while (line := await people[name][1].next_line())["type"] != "event" or line["name"] != "channel : created":
            if line["type"] == "event" and line["name"] in EVENTS:
                lines.append([line["name"], *line["args"]])
        heard[name] = lines
    return heard


def agrees(recorded: Any, ours: Any) -> bool:
    """Whether everything recorded is in ours; dates are another day's."""
    if isinstance(recorded, dict):
        return isinstance(ours, dict) and all(
            key in ours and (key == "date" or agrees(value, ours[key])) for key, value in recorded.items()
        )
    if isinstance(recorded, list):
        return isinstance(ours, list) and len(recorded) == len(ours) and all(map(agrees, recorded, ours))
    return bool(recorded == ours)


async def test_clients_hear_what_the_originals_heard(people: dict[str, tuple[Seed, JsClient]]) -> None:
    for number, scene in enumerate(SCENES):
        user, client = people[scene["who"]]
        if scene["do"] == "join":
            answer = await user.join(KEY)
            if "onlineUsers" in scene:
                assert sorted(each["username"] for each in answer["onlineUsers"]) == sorted(scene["onlineUsers"])
                assert len(answer["messages"]) == scene["messages"]
        elif scene["do"] == "post":
            await client.call("message:post", {**scene["sent"], "channel": KEY})
        elif scene["do"] == "leave":
            await client.call("user : left", {"channel": KEY})
        else:
            await client.call("user : status_changed", {"channel": KEY, "status": scene["sent"]})
        heard = await heard_until_marked(people, f"mark {number}")
        for name in NAMES:
            assert agrees(scene["heard"][name], heard[name]), f"{scene['label']}: {name} heard {heard[name]}"
