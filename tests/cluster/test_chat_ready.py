"""/readyz of a worker that has lost its authority, or its bus: for how long it takes new clients, and when again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from reaktor.config.model import MembershipTimings
from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.ports import wait_for
from tests.support.redis import RedisServer, running_redis

pytestmark = pytest.mark.cluster

WELL = {"code": 200, "database": True, "bus": True, "replica": True}
LATE_S = 2.0
"""The last word of the authority was up to a second old, and this test asks now and then."""


@pytest.fixture(scope="module")
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


@pytest.fixture(scope="module")
def own_chat(make_chat: MakeChat, redis_server: RedisServer) -> Iterator[ChatCluster]:
    with make_chat(REDIS_URL=redis_server.url, WORKERS="1") as found:
        yield found


def readiness(chat: ChatCluster) -> dict[str, Any]:
    """As its worker says it by its private socket: no supervisor has to accept."""
    path = str(chat.run_dir.worker_socket(1, 1))
    with httpx.Client(transport=httpx.HTTPTransport(uds=path), timeout=15) as client:
        answer = client.get("http://reaktor/readyz")
    return {"code": answer.status_code, **{name: answer.json()[name] for name in ("database", "bus", "replica")}}


def test_without_an_authority_a_worker_is_ready_for_ten_seconds_and_no_longer(own_chat: ChatCluster) -> None:
    missing_s = MembershipTimings().missing_s
    assert readiness(own_chat) == WELL
    os.kill(own_chat.process.pid, signal.SIGSTOP)
    try:
        stopped = time.monotonic()
        answers: list[dict[str, Any]] = []
        while (at := time.monotonic() - stopped) < missing_s - LATE_S:
            answers.append(readiness(own_chat))
            time.sleep(0.25)
        assert len(answers) > 3, at
        assert answers == [WELL] * len(answers)
        wait_for(lambda: readiness(own_chat) != WELL, 2 * LATE_S, "the worker to take nobody any more")
        assert readiness(own_chat) == {**WELL, "code": 503, "replica": False}
    finally:
        os.kill(own_chat.process.pid, signal.SIGCONT)
    wait_for(lambda: readiness(own_chat) == WELL, 10, "readiness")


def test_without_its_bus_a_worker_is_not_ready_until_it_has_it_again(
    own_chat: ChatCluster, redis_server: RedisServer
) -> None:
    wait_for(lambda: readiness(own_chat) == WELL, 10, "readiness")
    redis_server.kill()
    wait_for(lambda: readiness(own_chat) != WELL, 5, "the worker to notice")
    assert readiness(own_chat) == {**WELL, "code": 503, "bus": False}
    redis_server.start()
    wait_for(lambda: readiness(own_chat) == WELL, 10, "readiness")
