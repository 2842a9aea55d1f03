"""When everybody is gone, a worker holds nothing of them: counted by type, whoever is the owner."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Iterator

import httpx
import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.passers_by import KINDS, PassersBy

pytestmark = pytest.mark.cluster

CHANNELS = ("random", "programming", "general")
FEW, MANY, TOGETHER = 60, 240, 20
SLACK = 30
"""Far fewer than one for each session of one kind; what is shared by threads may still grow by a few."""
GONE_S = 90.0
WATCHED = ("reaktor.", "chat.", "accounts.", "daphne.", "twisted.", "autobahn.", "_asyncio.", "asyncio.", "redis.")
QUICK = {"SOCKETIO_QUIT_GRACE": "1s", "SOCKETIO_KEEP_GRACE": "1s", "SOCKETIO_RECOVERY": "1s", "WORKERS": "1"}


async def pass_by(chat: ChatCluster, people: PassersBy, accounts: list[tuple[str, str]], count: int) -> None:
    """So many lives, some at a time, each kind as often as the others."""
    numbers = iter(range(count))

    async def one_after_another(token: str, source: str) -> None:
        for number in numbers:
            await people.life(KINDS[number % len(KINDS)], token, source)

    source = chat.source(1, (1,))
    await asyncio.gather(*(one_after_another(token, source) for _, token in accounts))


def held(chat: ChatCluster) -> Counter[str]:
    counts = httpx.get(f"{chat.url}/held", timeout=30).raise_for_status().json()["counts"]
    return Counter({name: count for name, count in counts.items() if name.startswith(WATCHED)})


@pytest.fixture(scope="module")
def chat(make_chat: MakeChat) -> Iterator[ChatCluster]:
    """One worker with a window."""
    command = (sys.executable, "-m", "tests.support.run_chat_cluster", "tests.support.watched_app")
    with make_chat(command=command, **QUICK) as found:
        yield found


@pytest.mark.long
async def test_sessions_of_every_kind_leave_no_object_behind(chat: ChatCluster) -> None:
    """Memory grew by 10 MB in ten minutes of coming and going, and nobody could say whether Python held it."""
    people = PassersBy(chat.port, CHANNELS, life_s=0.3)
    accounts = [chat.account() for _ in range(TOGETHER)]
    await pass_by(chat, people, accounts, FEW)
    await asyncio.to_thread(chat.wait_agreed, 0, GONE_S)
    before = await asyncio.to_thread(held, chat)
    await pass_by(chat, people, accounts, MANY)
    assert sum(people.done.values()) == FEW + MANY
    await until_gone(chat, before)


def test_a_worker_settles_before_it_serves(chat: ChatCluster) -> None:
    """Each full collection walked all code and classes, and what had ended waited for it in piles."""
    assert httpx.get(f"{chat.url}/held", timeout=30).json()["frozen"] > 100_000


async def until_gone(chat: ChatCluster, before: Counter[str]) -> None:
    """Wait until no type has clearly more objects than before; timers may hold them for a while."""
    deadline = time.monotonic() + GONE_S
    while True:
        now = await asyncio.to_thread(held, chat)
        more = {name: count - before[name] for name, count in now.items() if count - before[name] > SLACK}
        if not more:
            return
        assert time.monotonic() < deadline, f"left behind by {MANY} sessions: {more}"
        await asyncio.sleep(1)
