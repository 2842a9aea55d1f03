"""One process that serves chat over Socket.IO, without a network, and clients of it that write their frames by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from channels.layers import InMemoryChannelLayer

from accounts import tokens
from accounts.models import User
from chat.domain.ids import ChannelKey
from chat.live.runtime import Runtime
from chat.transports.socketio.application import ChatApplication
from reaktor.config.model import Config, EngineIO, Limits
from reaktor.process import node
from reaktor.socketio.server import SocketIOServer
from tests.support import asgi
from tests.support.databases import channel_of, user_ref
from tests.support.runtime import running_runtime

TEA = ChannelKey("tea")
MODERN = "EIO=4&transport=websocket"
OLD = "EIO=3&transport=websocket"


class Place:
    """A process that serves Socket.IO, and the token of ann, who belongs to the channel tea."""

    def __init__(self, runtime: Runtime, server: SocketIOServer, token: str) -> None:
        self.runtime, self.server, self.token = runtime, server, token

    async def opened(self, query: str = MODERN, **options: Any) -> asgi.Socket:
        """An Engine.IO session that has not connected yet. `options`: as asgi.Socket has them."""
        socket = asgi.Socket(self.server, f"/socket.io/?{query}", **options)
        await socket.accepted()
        assert (await socket.text()).startswith("0{")
        return socket

    async def connect(self, **auth: Any) -> tuple[asgi.Socket, dict[str, Any]]:
        """(socket, answer) of a client of today that has been let in."""
        socket = await self.opened()
        socket.say("40" + json.dumps({"token": self.token, **auth}))
        answer = await socket.text()
        assert answer.startswith("40{"), answer
        return socket, json.loads(answer[2:])

    async def joined(self, query: str = MODERN, *, joins: bool = True, **options: Any) -> asgi.Socket:
        """A client that is in tea, or has just come."""
        if query == MODERN:
            socket = await self.opened(**options)
            socket.say("40" + json.dumps({"token": self.token}))
            assert (await socket.text()).startswith("40{")
        else:
            socket = await self.opened(f"{query}&token={self.token}", **options)
            assert await socket.text() == "40"
        assert await socket.text() == '42["logged_in",{}]'
        if not joins:
            return socket
        user_id = self.runtime.hub.sessions()[-1].info.user_id
        await self.runtime.remote_join.join_user(user_id, TEA, 0)
        await heard(socket, "user : joined")
        return socket


async def heard(socket: asgi.Socket, name: str) -> Any:
    """The payload of the next event of that name."""
    while True:
        text = await socket.text()
        if text.startswith(f'42["{name}"'):
            return json.loads(text[2:])[1]


def _stored() -> str:
    """Ann's token."""
    ann = user_ref("ann")
    channel_of(ann, TEA)
    return str(tokens.new(tokens.ACCESS, User.objects.get(pk=ann.id)))


@asynccontextmanager
async def serving_place(data_dir: Path) -> AsyncIterator[Place]:
    """A process that serves until the end of the block."""
    config = replace(Config(data_dir), limits=Limits(sessions_per_user=2))
    server = SocketIOServer(EngineIO(), ChatApplication())
    async with running_runtime(config, InMemoryChannelLayer(capacity=100_000)) as runtime:
        node.install(node.Node(asyncio.get_running_loop(), runtime.bus, runtime))
        serving = asyncio.create_task(server.run())
        yield Place(runtime, server, await runtime.database.write(_stored))
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
        node.clear()
