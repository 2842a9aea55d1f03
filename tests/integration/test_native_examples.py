"""Each example of the AsyncAPI page is sent to a real server, and the answer is one that the document describes.

(NativeClient checks every frame that comes.) What the server gives names to stands in the place of the page's.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from chat.transports.native.examples import CHANNEL, EXAMPLES, MESSAGE, TOKEN, USER
from chat.transports.native.operations import OPERATIONS
from tests.conftest import MakeServer
from tests.support.native import NativeClient
from tests.support.server import LiveServer

ALONE = {"auth.refresh", "channel.list", "channel.create", "pong"}
"""What needs no channel and nobody else."""


@pytest.fixture(scope="module")
def own_server(make_server: MakeServer) -> LiveServer:
    return make_server(LIMITS="off")


def here(frame: dict[str, Any], words: dict[str, str]) -> dict[str, Any]:
    """An example as it reads on this server."""
    text = json.dumps(frame, ensure_ascii=False)
    for word, ours in words.items():
        text = text.replace(f'"{word}"', f'"{ours}"')
    return dict(json.loads(text))


@pytest.mark.parametrize("name", OPERATIONS)
async def test_an_example_is_granted_and_answered_as_described(name: str, own_server: LiveServer) -> None:
    (_, ann_token), (bob_name, bob_token) = own_server.account(), own_server.account()
    words = {TOKEN: ann_token, USER: bob_name}
    client = await NativeClient.connect(own_server.url, ann_token)
    others: list[NativeClient] = []
    if name not in ALONE:
        words[CHANNEL] = (await client.request("channel.create", name="Tea"))["key"]
        await client.join(words[CHANNEL])
        bob = await NativeClient.connect(own_server.url, bob_token)
        others.append(bob)
        await bob.join(words[CHANNEL])
        author = bob if name == "report" else client
        words[MESSAGE] = (await author.post(words[CHANNEL], "Good morning"))["id"]
    if name == "hello":
        others.append(client)
        client = await NativeClient.open(own_server.url)
    frame = here(EXAMPLES[name], words)
    if OPERATIONS[name].reply is None:
        await client.send_raw(frame)
        # It has no answer, so the next one comes first.
        await client.request("channel.list")
    else:
        await client.request(frame["op"], frame.get("channel"), data=frame.get("data", {}))
    await asyncio.gather(*(each.close() for each in (client, *others)))
