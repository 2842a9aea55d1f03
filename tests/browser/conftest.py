"""One server and one Chromium for all browser tests; people come and go with each test."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext

from tests.support.browser import Person, launch
from tests.support.server import LiveServer

People = Callable[..., Person]
_numbers = itertools.count(1)


class Room:
    """A public channel of one test alone, made over REST, and messages put into it before anybody looks."""

    def __init__(self, server: LiveServer) -> None:
        self.owner, token = server.account(f"owner{next(_numbers)}")
        self.name = f"Room {next(_numbers)}"
        self._client = httpx.Client(
            base_url=f"{server.url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30
        )
        self.key = str(self._ask("/channels", {"name": self.name})["key"])
        self.path = f"/#/c/{self.key}"

    def _ask(self, path: str, body: dict[str, str]) -> dict[str, Any]:
        answer = self._client.post(path, json=body)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found

    def post(self, *texts: str) -> list[str]:
        """The ids of the messages."""
        path = f"/channels/{self.key}/messages"
        return [str(self._ask(path, {"text": text, "nonce": uuid.uuid4().hex})["id"]) for text in texts]

    def react(self, message: str, emoji: str) -> None:
        path = f"/channels/{self.key}/messages/{message}/reactions/{emoji}"
        self._client.put(path).raise_for_status()

    def mute(self, username: str, until: str, reason: str) -> None:
        said = {"kind": "mute", "username": username, "channel": self.key, "until": until, "reason": reason}
        self._ask("/sanctions", said)

    def ids(self) -> list[str]:
        """Of its messages, oldest first."""
        answer = self._client.get(f"/channels/{self.key}/messages")
        answer.raise_for_status()
        return [str(each["id"]) for each in answer.json()["messages"]]

    def close(self) -> None:
        self._client.close()


@pytest.fixture(scope="package")
def server(migrated_server: LiveServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    # Limits have tests of their own; here they would only make the order of tests matter.
    data = tmp_path_factory.mktemp("browser") / "data"
    live = migrated_server.copy(data, LIMITS="off", DJANGO_SETTINGS_MODULE="tests.support.live_settings")
    live.start()
    yield live
    live.stop()


# Not for the whole session: while Playwright runs there is a running event loop in this thread.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    with launch() as chromium:
        yield chromium


@pytest.fixture(scope="package")
def contexts(browser: Browser) -> list[BrowserContext]:
    """Contexts that nobody uses. They are used again, since theirs is the cache of the client's thirty files."""
    return []


@pytest.fixture
def people(browser: Browser, server: LiveServer, contexts: list[BrowserContext]) -> Iterator[People]:
    """people("ada") is a newcomer with a name that begins so; nothing may have gone wrong for anybody at the end."""
    present: list[Person] = []

    def come(name: str, *, width: int = 1280, height: int = 800) -> Person:
        context = contexts.pop() if contexts else browser.new_context()
        present.append(Person(context, server.url, f"{name}{next(_numbers)}", width=width, height=height))
        return present[-1]

    yield come
    problems = [f"{person.name}: {problem}" for person in present for problem in person.unexpected()]
    for person in present:
        person.leave()
        contexts.append(person.context)
    assert problems == []


@pytest.fixture
def room(server: LiveServer) -> Iterator[Room]:
    made = Room(server)
    yield made
    made.close()
