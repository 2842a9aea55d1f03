"""A worker dies between commit and publish: what it stored still arrives, once, with everybody it is for."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Iterator

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.dying_app import AFTER, BEFORE
from tests.support.verdict import crowd

pytestmark = pytest.mark.cluster

HEADS_S = 2.0
SLACK_S = 1.0


@pytest.fixture(scope="module")
def mortal_chat(make_chat: MakeChat) -> Iterator[ChatCluster]:
    command = (sys.executable, "-m", "tests.support.run_chat_cluster", "tests.support.dying_app")
    with make_chat(command=command) as found:
        yield found


@pytest.mark.parametrize("last_words", [BEFORE, AFTER])
async def test_a_message_outlives_the_worker_that_stored_it(mortal_chat: ChatCluster, last_words: str):
    async with crowd(mortal_chat, per_slot=2) as people:
        key, (speaker, neighbour) = people.channels[0], people.on[1]
        far = people.on[2][0]
        pid = mortal_chat.pid(1)
        posting = asyncio.create_task(speaker.post(key, last_words))
        started = time.monotonic()
        assert await far.until(lambda: far.places[key].seen, HEADS_S + SLACK_S)
        arrived_s = time.monotonic() - started
        said = await posting
        assert far.places[key].seen == [said]
        await asyncio.to_thread(mortal_chat.wait_replaced, 1, pid)
        await asyncio.gather(*(person.until(lambda p=person: p.connects == 2, 30) for person in (speaker, neighbour)))
        await people.verdict()
        assert (said.text, said.seq) == (last_words, 1)
        assert arrived_s < HEADS_S + SLACK_S
