"""Every native operation and every Socket.IO event, by every role in every kind of channel: as the matrix says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import socketio

from chat.transports.native.operations import OPERATIONS
from tests.conftest import MakeServer
from tests.support.native import NativeClient, Refused
from tests.support.permissions import ROLES, Cell, Need, cells, denial
from tests.support.server import LiveServer

VICTIM = "{victim}"

# In this order: what changes a channel for all that follow comes last.
NATIVE: list[tuple[str, Need, dict[str, Any]]] = [
    ("channel.join", Need.READ, {}),
    ("channel.members", Need.READ, {}),
    ("typing", Need.BE_IN, {}),
    ("message.send", Need.SPEAK, {"text": "hi", "nonce": "1"}),
    ("message.send", Need.SPEAK, {"text": "hi", "nonce": "2", "thread": "{other}"}),
    ("message.edit", Need.WRITE, {"id": "{own}", "text": "hello"}),
    ("message.list", Need.READ, {}),
    ("message.list", Need.READ, {"thread": "{other}"}),
    ("message.list", Need.READ, {"flow": True}),
    ("message.edits", Need.READ, {"id": "{own}"}),
    ("message.edits", Need.SEE_EARLIER, {"id": "{other}"}),
    ("pin.add", Need.PIN, {"id": "{other}"}),
    ("pin.list", Need.READ, {}),
    ("pin.remove", Need.PIN, {"id": "{other}"}),
    ("reaction.add", Need.WRITE, {"id": "{other}", "emoji": "x"}),
    ("reaction.remove", Need.WRITE, {"id": "{other}", "emoji": "x"}),
    ("read", Need.READ, {"number": 1}),
    ("thread.follow", Need.READ, {"thread": "{other}"}),
    ("thread.read", Need.READ, {"thread": "{other}", "number": 1}),
    ("thread.unfollow", Need.READ, {"thread": "{other}"}),
    ("report", Need.READ, {"id": "{other}", "reason": "spam"}),
    ("message.delete", Need.DELETE_OWN, {"id": "{own}"}),
    ("message.delete", Need.MODERATE, {"id": "{other}"}),
    ("moderation.purge", Need.SANCTION, {"user": VICTIM, "hours": 1}),
    ("moderation.kick", Need.SANCTION, {"user": VICTIM}),
    ("moderation.mute", Need.SANCTION, {"user": VICTIM}),
    ("moderation.ban", Need.SANCTION, {"user": VICTIM}),
    ("moderation.lift", Need.SANCTION, {"user": VICTIM}),
    ("channel.update", Need.MODERATE, {"slow_mode_s": 0}),
    ("channel.update", Need.MODERATE, {"threads": False}),
    ("channel.update", Need.RENAME, {"name": "Tea"}),
    ("channel.update", Need.MANAGE, {"topic": "tea"}),
    ("channel.leave", Need.TOKEN, {}),
    ("channel.follow", Need.READ, {"level": "nothing"}),
    ("channel.archive", Need.MANAGE, {}),
    ("channel.unfollow", Need.LEAVE, {}),
]
OF_NO_CHANNEL = {"hello", "auth.refresh", "channel.list", "channel.create", "status", "sync", "search", "pong"}
"""Asked of one's own session; sync and search are about many channels, and leave out those that one may not read."""


@dataclass
class Scene:
    server: LiveServer
    accounts: dict[str, tuple[str, str]]
    channels: dict[str, dict[str, str]]

    def of(self, cell: Cell) -> dict[str, str]:
        return {**self.channels[str(cell)], "victim": self.accounts["victim"][0]}


def prepare(server: LiveServer, tag: str) -> Scene:
    accounts = {role: server.account() for role in (*ROLES, "victim")}
    names = {role: name for role, (name, _) in accounts.items()}
    said = server.manage("shell", "-c", f"from tests.support.permissions import build; build({names!r}, {tag!r})")
    (line,) = [line for line in said.splitlines() if line.startswith("scene ")]
    return Scene(server, accounts, json.loads(line.removeprefix("scene ")))


@pytest.fixture(scope="module")
def unlimited(make_server: MakeServer) -> LiveServer:
    return make_server(LIMITS="off")


def test_every_operation_is_in_the_matrix() -> None:
    assert {name for name, _, _ in NATIVE} | OF_NO_CHANNEL == set(OPERATIONS)


async def test_native_operations_are_allowed_and_refused_as_the_matrix_says(unlimited: LiveServer) -> None:
    scene = prepare(unlimited, "native")
    clients = {role: await NativeClient.connect(scene.server.url, token) for role, (_, token) in scene.accounts.items()}
    wrong = []
    for cell in cells():
        found, client = scene.of(cell), clients[cell.role]
        shown = (await client.request("sync", channels={found["key"]: 0}))["channels"]
        assert bool(shown) == (denial(Need.READ, cell) is None), cell
        for name, need, data in NATIVE:
            fields = {key: value.format(**found) if isinstance(value, str) else value for key, value in data.items()}
            code = None
            try:
                await client.request(name, found["key"], **fields)
            except Refused as refused:
                code = refused.code
            if code != (expected := denial(need, cell)):
                wrong.append(f"{cell}: {name} gave {code}, not {expected}")
    await asyncio.gather(*(client.close() for client in clients.values()))
    assert wrong == []


@pytest.fixture
def scene(unlimited: LiveServer) -> Scene:
    return prepare(unlimited, "socketio")


@pytest.fixture
async def sockets(scene: Scene) -> AsyncIterator[dict[str, socketio.AsyncClient]]:
    """A Socket.IO client of each role, logged in."""
    found = {}
    for role in ROLES:
        client, ready = socketio.AsyncClient(reconnection=False), asyncio.Event()
        client.on("logged_in", lambda data, ready=ready: ready.set())
        client.on("*", lambda *args: None)
        token = scene.accounts[role][1]
        await client.connect(scene.server.url, auth={"token": token}, transports=["websocket"], wait_timeout=10)
        await asyncio.wait_for(ready.wait(), 10)
        found[role] = client
    yield found
    await asyncio.gather(*(client.disconnect() for client in found.values()))


async def test_socketio_clients_may_what_the_matrix_says(
    scene: Scene, sockets: dict[str, socketio.AsyncClient]
) -> None:
    wrong = []
    rest = httpx.AsyncClient(base_url=scene.server.url, timeout=20)
    for cell in cells():
        key, client = scene.of(cell)["key"], sockets[cell.role]
        headers = {"Authorization": f"Bearer: {scene.accounts[cell.role][1]}"}
        joined = await rest.post(f"/channels/{key}/join", headers=headers)
        # A reserved key that one may not see is one that nobody may choose: 400, as for any such key.
        seen = {"not_found": "invalid"}.get(str(expected := denial(Need.READ, cell)), expected)
        if joined.json().get("code") != seen:
            wrong.append(f"{cell}: join gave {joined.text}, not {seen}")
        answer = await client.call("message:post", {"channel": key, "message": "hi"}, timeout=10)
        code = answer.get("error", {}).get("code")
        if code != (expected := denial(Need.SPEAK, cell)):
            wrong.append(f"{cell}: message:post gave {code}, not {expected}")
        for event, payload in (("user : status_changed", {"status": "away"}), ("user : left", {})):
            if await client.call(event, {"channel": key, **payload}, timeout=10) != {}:
                wrong.append(f"{cell}: {event} was refused")
    await rest.aclose()
    assert wrong == []
