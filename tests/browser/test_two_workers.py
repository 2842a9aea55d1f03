"""Somebody at two browsers and an old client, on two workers, who is in no channel: told of what is meant for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, expect

from tests.cluster.conftest import (
    MakeChat,
    make_chat,  # noqa: F401  a fixture
)
from tests.support.background import Background, background
from tests.support.browser import Person
from tests.support.chat_cluster import ChatCluster
from tests.support.detour import detour
from tests.support.js_client import JsClient, js_driver
from tests.support.seed import Seed
from tests.support.server import PASSWORD

pytestmark = pytest.mark.browser

SOON_MS = 5_000


@dataclass
class Bob:
    """The one who is written to."""

    name: str
    browsers: list[Person]
    old: JsClient

    def expect_badge(self, author: str, badge: str) -> None:
        for browser in self.browsers:
            expect(browser.place(author).get_by_text(badge)).to_be_attached(timeout=SOON_MS)


@pytest.fixture
def chat(make_chat: MakeChat) -> Iterator[ChatCluster]:  # noqa: F811  the fixture
    """Loses nothing until it is told to."""
    lossy = "tests.support.lossy_settings"
    with make_chat(DJANGO_SETTINGS_MODULE=lossy, MAX_SESSIONS_PER_USER="5", SPARE_WORKERS="1") as found:
        yield found


@pytest.fixture
def loop() -> Iterator[Background]:
    with background() as found:
        yield found


@pytest.fixture
def bob(chat: ChatCluster, browser: Browser, loop: Background) -> Iterator[Bob]:
    """At a browser on each worker, and at a client of Socket.IO 1.7.4 that asks for all events."""
    stack = AsyncExitStack()
    name = "bob1"
    people = []
    try:
        for slot in (1, 2):
            port = loop.run(stack.enter_async_context(detour(chat.port, chat.source(slot))))
            context = browser.new_context()
            people.append(Person(context, f"http://127.0.0.1:{port}", name))
        people[0].register()
        people[1].log_in()
        driver = loop.run(stack.enter_async_context(js_driver()))
        token = httpx.post(f"{chat.url}/auth/login", json={"name": name, "password": PASSWORD}, timeout=30).json()[
            "token"
        ]

        async def come() -> JsClient:
            client = Seed(chat, name, token).open(driver, "sio17", ["websocket"], wants_all=True)
            await client.expect_event("logged_in")
            return client

        yield Bob(name, people, loop.run(come()))
        problems = [problem for person in people for problem in person.unexpected()]
    finally:
        for person in people:
            person.context.close()
        loop.run(stack.aclose())
    assert problems == []


def test_a_direct_message_comes_to_all_of_them_and_the_badge_stays_right_through_faults(
    chat: ChatCluster, loop: Background, bob: Bob
) -> None:
    for browser in bob.browsers:
        browser.expect_connected()
    author, token = chat.account()
    source = chat.source(1)
    made = chat.request("POST", "/api/v1/direct", token, source, json={"username": bob.name})
    key = made.json()["key"]

    def post(text: str) -> None:
        body = {"text": text, "nonce": f"{text:0<16}"}
        answer = chat.request("POST", f"/api/v1/channels/{key}/messages", token, source, json=body)
        assert answer.status_code == 201, answer.text

    post("hello")
    [heard] = loop.run(bob.old.expect_event("channel : activity"))
    assert heard["last"]["text"] == "hello"
    bob.expect_badge(author, "1 unread")

    # The worker of the second browser dies.
    bob.browsers[1].expect_problem("WebSocket connection|ERR_|HTTP 50")
    pid = chat.pid(2)
    chat.kill(2)
    post("gone")
    chat.wait_replaced(2, pid)
    bob.browsers[1].expect_connected()
    bob.expect_badge(author, "2 unread")

    # What was said of it between the workers is lost.
    loss = chat.directory / "loss"
    loss.write_text("1.0")
    try:
        post("lost")
        bob.expect_badge(author, "3 unread")
    finally:
        loss.unlink()

    # Read in one browser, read in the other one.
    bob.browsers[0].place(author).click()
    bob.browsers[0].expect_texts(["hello", "gone", "lost"])
    expect(bob.browsers[1].place(author).get_by_text("unread")).to_have_count(0)
