"""Notices while workers are killed: each is shown once, none is lost, and who reads in time is not told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cluster.conftest import MakeChat
from tests.support.chat_cluster import ChatCluster
from tests.support.native import NativeClient
from tests.support.ports import wait_for
from tests.support.push_service import Browser, PushService, push_service

pytestmark = pytest.mark.cluster

ALL_S = 120.0
"""After a death the next courier begins within 10 s; what was taken by the dead one is free after a minute."""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PushService]:
    with push_service(tmp_path_factory.mktemp("push")) as found:
        yield found


@pytest.fixture(scope="module")
def pushing(make_chat: MakeChat, service: PushService) -> Iterator[ChatCluster]:
    """Two workers that believe the push service's certificate, as they would that of a known one."""
    with make_chat(
        SPARE_WORKERS="1", PUSH_HOSTS=service.host, PUSH_PRIVATE="on", SSL_CERT_FILE=str(service.authority)
    ) as chat:
        yield chat


def ask(chat: ChatCluster, method: str, path: str, token: str, **options: Any) -> Any:
    answer = chat.request(method, f"/api/v1/{path}", token, chat.source(1), **options)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


class Friends:
    """Two who have talked before, and a browser of the second one that is told."""

    def __init__(self, chat: ChatCluster, service: PushService, name: str) -> None:
        self.chat = chat
        (self.ann, self.token), (self.bob, self.other) = chat.account(), chat.account()
        self.key = ask(chat, "POST", "direct", self.token, json={"username": self.bob})["key"]
        self.browser: Browser = service.browser(name)
        ask(chat, "PUT", "me/push", self.other, json=self.browser.subscription)
        said = {"text": "hello", "nonce": "first"}
        ask(chat, "POST", f"channels/{self.key}/messages", self.other, json=said)

    def say(self, text: str) -> dict[str, Any]:
        body = {"text": text, "nonce": text}
        for _ in range(50):
            answer = self.chat.request(
                "POST", f"/api/v1/channels/{self.key}/messages", self.token, self.chat.source(1), json=body
            )
            if answer.is_success:
                found: dict[str, Any] = answer.json()
                return found
        raise AssertionError(answer.text)


def test_the_key_is_one_for_all_and_a_push_comes(pushing: ChatCluster, service: PushService) -> None:
    friends = Friends(pushing, service, "first")
    keys = {
        pushing.request("GET", "/api/v1/me/push", friends.token, pushing.source(slot)).json()["key"] for slot in (1, 2)
    }
    assert len(keys) == 1
    message = friends.say("are you there?")
    wait_for(lambda: friends.browser.pushes, ALL_S, "the push")
    (push,) = friends.browser.pushes
    assert push.content == {
        "tag": message["id"],
        "channel": friends.key,
        "number": message["number"],
        "title": friends.ann,
        "text": "are you there?",
    }
    assert push.headers["authorization"].endswith(f"k={keys.pop()}")


async def test_who_is_here_on_another_worker_and_reads_is_not_told(pushing: ChatCluster, service: PushService) -> None:
    friends = await asyncio.to_thread(Friends, pushing, service, "reader")
    mine = await NativeClient.connect(pushing.url, friends.other, local_addr=(pushing.source(2), 0))
    await asyncio.to_thread(friends.say, "here you are")
    told = await mine.event("channel.activity", friends.key)
    await mine.request("read", friends.key, number=told["data"]["head"]["number"])
    await mine.close()
    # A later message to the same person is told, so the first one was looked at.
    await asyncio.to_thread(friends.say, "and now you are gone")
    await asyncio.to_thread(wait_for, lambda: friends.browser.pushes, ALL_S, "the push")
    assert friends.browser.texts == ["and now you are gone"]


@pytest.mark.long
def test_while_workers_are_killed_each_notice_is_shown_once_and_none_is_lost(
    pushing: ChatCluster, service: PushService
) -> None:
    friends = Friends(pushing, service, "killed")
    wanted = set()
    for number in range(24):
        wanted.add(friends.say(f"message {number}")["id"])
        if number % 6 == 3:
            slot = 1 + number // 6 % 2
            pid = pushing.pid(slot)
            os.kill(pid, signal.SIGKILL)
            pushing.wait_replaced(slot, pid)

    def shown() -> set[str]:
        return {push.content["tag"] for push in friends.browser.pushes}

    wait_for(lambda: wanted <= shown(), ALL_S, "all pushes")
    # A browser shows one notice for each tag: the second push with one takes the place of the first.
    assert shown() == wanted
    assert all(push.topic == push.content["tag"].replace("-", "") for push in friends.browser.pushes)
    assert len({push.content["text"] for push in friends.browser.pushes}) == 24


@pytest.mark.long
def test_after_the_death_of_everything_what_waited_is_told(make_chat: MakeChat, service: PushService) -> None:
    """Supervisor and workers are killed while a push service is away."""
    with make_chat(
        SPARE_WORKERS="0", PUSH_HOSTS=service.host, PUSH_PRIVATE="on", SSL_CERT_FILE=str(service.authority)
    ) as chat:
        friends = Friends(chat, service, "survivor")
        service.answers["/push/survivor"] = (503, {}, b"")
        tags = {friends.say(text)["id"] for text in ("one", "two")}
        wait_for(lambda: service.asked.count("/push/survivor") >= 2, ALL_S, "the first tries")
        del service.answers["/push/survivor"]
        chat.remember_family()
        chat.process.kill()
        chat.process.wait()
        chat.wait_nothing_left(60)
        chat.start()
        chat.wait_serving(60)
        wait_for(lambda: {push.content["tag"] for push in friends.browser.pushes} == tags, ALL_S, "what waited")
