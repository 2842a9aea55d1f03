"""Requests in threads: one hop, threads and connections that stay, a bound, and refusals that are JSON."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
from django.db import connections

from reaktor.web import threads
from reaktor.web.reply import Reply
from reaktor.web.threads import ThreadedDjango
from tests.support.waiting import until


def scope(path: str, method: str = "GET", **headers: str) -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": path,
        "query_string": b"",
        "headers": [
            (name.lower().encode(), value.encode()) for name, value in {"Host": "chat.test", **headers}.items()
        ],
        "client": ("192.0.2.1", 5),
        "server": ("chat.test", 80),
        "root_path": "",
        "scheme": "http",
        "http_version": "1.1",
    }


class Asked:
    """One request to an application, and what it sent."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: dict[str, str] = {}
        self.body = b""

    async def ask(self, application: Any, request: dict[str, Any], *chunks: bytes) -> Asked:
        parts = list(chunks or (b"",))
        self.left = len(parts)

        async def receive() -> dict[str, Any]:
            self.left -= 1
            return {"type": "http.request", "body": parts.pop(0), "more_body": bool(parts)}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                self.status = message["status"]
                self.headers = {name.decode().lower(): value.decode() for name, value in message["headers"]}
            else:
                self.body += message["body"]

        async with asyncio.timeout(20):
            await application(request, receive, send)
        return self

    @property
    def code(self) -> str:
        said = orjson.loads(self.body)
        return str(said["code"] if "code" in said else said["error"]["code"])


@pytest.fixture
async def django() -> AsyncIterator[ThreadedDjango]:
    application = ThreadedDjango(threads=2, waiting=1, max_body_bytes=1000)
    yield application
    application.close()


async def test_a_request_is_answered_with_its_headers_and_body(django: ThreadedDjango) -> None:
    reply = await Asked().ask(django, scope("/nope"))
    assert (reply.status, reply.code) == (404, "not_found")
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["content-length"] == str(len(reply.body))
    head = await Asked().ask(django, scope("/nope", "HEAD"))
    assert (head.status, head.body, head.headers["content-length"]) == (404, b"", reply.headers["content-length"])


async def test_a_body_in_pieces_is_one_and_one_too_large_is_not_read_to_its_end(django: ThreadedDjango) -> None:
    request = scope("/auth/register", "POST", **{"Content-Type": "application/json"})
    reply = await Asked().ask(django, request, b'{"na', b"me", b'": "ab c", "password": "x"}')
    assert (reply.status, orjson.loads(reply.body)["error"]) == (400, "Name must be numbers or letter a-z only")
    endless = Asked()
    await endless.ask(django, request, *[b"x" * 600] * 100)
    assert (endless.status, endless.code, endless.left) == (413, "too_large", 98)


async def test_a_client_that_goes_away_before_its_body_is_there_costs_nothing(django: ThreadedDjango) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        pytest.fail("there is nobody to answer")

    await django(scope("/nope"), receive, send)


def held(monkeypatch: pytest.MonkeyPatch) -> tuple[threading.Event, list[str]]:
    """Django answers when the event is set; the paths that a thread has begun with."""
    go_on = threading.Event()
    running: list[str] = []

    def slow(self: Any, request: dict[str, Any], body: bytes) -> Reply:
        running.append(request["path"])
        assert go_on.wait(20)
        return Reply(200, [], b"done")

    monkeypatch.setattr(threads.ThreadHandler, "answer", slow)
    return go_on, running


async def test_beyond_the_bound_requests_are_refused_at_once_and_places_come_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, running = held(monkeypatch)
    django = ThreadedDjango(threads=2, waiting=1, max_body_bytes=1000)
    asked = [asyncio.create_task(Asked().ask(django, scope(f"/{n}"))) for n in range(3)]
    await until(lambda: len(running) == 2)
    refused = await Asked().ask(django, scope("/4"))
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "unavailable", "1")
    go_on.set()
    assert {(await each).body for each in asked} == {b"done"}
    assert (await Asked().ask(django, scope("/5"))).body == b"done"
    django.close()


@pytest.mark.django_db(transaction=True)
async def test_a_thread_keeps_its_database_connection_from_one_request_to_the_next() -> None:
    django = ThreadedDjango(threads=1, waiting=9, max_body_bytes=1000)
    seen: list[Any] = []

    def look() -> None:
        seen.append(connections["default"].connection)

    request = scope("/channels", Authorization="Bearer: x")
    login = scope("/auth/login", "POST", **{"Content-Type": "application/json"})
    for _ in range(3):
        await Asked().ask(django, request)
        assert (await Asked().ask(django, login, b'{"name": "nobody", "password": "x"}')).status == 401
        await asyncio.get_running_loop().run_in_executor(django._executor, look)
    assert seen[0] is not None
    assert seen == [seen[0]] * 3
    await asyncio.get_running_loop().run_in_executor(django._executor, connections.close_all)
    django.close()


async def test_files_and_pages_come_whole(django: ThreadedDjango) -> None:
    reply = await Asked().ask(django, scope("/static/admin/css/base.css"))
    assert reply.status == 200
    assert reply.headers["content-length"] == str(len(reply.body))


@pytest.mark.django_db(transaction=True)
async def test_cookies_are_sent(django: ThreadedDjango) -> None:
    reply = await Asked().ask(django, scope("/admin/login/"))
    assert (reply.status, "csrftoken=" in reply.headers["set-cookie"]) == (200, True)


async def test_a_path_that_is_no_text_is_a_bad_request(django: ThreadedDjango) -> None:
    reply = await Asked().ask(django, scope("/channels/\ud800/join", "POST"))
    assert reply.status in {400, 401, 404}


async def test_a_place_is_taken_until_its_thread_is_done_though_the_client_has_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Clients that asked and went away had any number of requests wait for threads that were all still busy."""
    go_on, running = held(monkeypatch)
    django = ThreadedDjango(threads=1, waiting=1, max_body_bytes=1000)
    gone = [asyncio.create_task(Asked().ask(django, scope(f"/{n}"))) for n in range(2)]
    await until(lambda: running)
    for task in gone:
        task.cancel()
    await asyncio.gather(*gone, return_exceptions=True)
    # The one who waited has left a place for somebody else to wait in; the thread is still taken.
    late = asyncio.create_task(Asked().ask(django, scope("/late")))
    await asyncio.sleep(0)
    refused = await Asked().ask(django, scope("/later"))
    assert (refused.status, refused.code) == (503, "unavailable")
    assert running == ["/0"]
    go_on.set()
    assert (await late).body == b"done"
    await until(lambda: django._turns.running == 0)
    # What no thread had begun when its client went was never done.
    assert running == ["/0", "/late"]
    assert (await Asked().ask(django, scope("/3"))).body == b"done"
    django.close()
