"""Events leave a transaction only when it commits, and reach whoever is there: this process's runtime, or nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer
from django.db import transaction

from chat import publish
from chat.delivery import wire
from chat.delivery.wire import Audience
from chat.domain.events import Event, EventType
from chat.domain.ids import SessionId, UserId
from chat.membership.wire import channel_group
from reaktor.process import announce, node
from reaktor.process.bus import Bus
from tests.support.delivery import CHANNEL, message

pytestmark = pytest.mark.django_db(transaction=True)
NEW = Event(EventType.MESSAGE_NEW, CHANNEL, message(1, 1), 1)
TYPING = Event(EventType.TYPING, CHANNEL, {"username": "ann", "on": True})


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, Any]]:
    """What would go over Redis from a process without a runtime."""
    heard: list[tuple[str, str, Any]] = []
    monkeypatch.setattr(announce, "live_buses", lambda: ["redis://live"])
    monkeypatch.setattr(announce, "publish_once", lambda url, *what: heard.append(what) or True)
    return heard


class Runtime:
    def __init__(self) -> None:
        self.heard: list[object] = []

    def publish_durable(self, events: list[Event]) -> None:
        self.heard += events

    def publish_ephemeral(self, event: Event, audience: Audience) -> None:
        self.heard.append((event, audience))


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    found, loop = Runtime(), asyncio.new_event_loop()
    node.install(node.Node(loop, Bus(InMemoryChannelLayer()), found))
    yield found
    if not loop.is_closed():
        loop.run_until_complete(asyncio.sleep(0))
    node.clear()
    loop.close()


def run_loop() -> None:
    running = node.current()
    assert running is not None
    running.loop.run_until_complete(asyncio.sleep(0))


def test_nothing_is_told_before_the_commit_and_nothing_after_a_rollback(runtime: Runtime) -> None:
    with transaction.atomic():
        publish.durable(NEW)
        run_loop()
        assert runtime.heard == []
    run_loop()
    assert runtime.heard == [NEW]
    with transaction.atomic():
        publish.durable(NEW)
        transaction.set_rollback(True)
    run_loop()
    assert runtime.heard == [NEW]


def test_each_audience_is_handed_over_as_it_is(runtime: Runtime) -> None:
    publish.to_channel(TYPING)
    publish.to_everybody(TYPING)
    publish.to_user(UserId("u"), TYPING, exclude=SessionId("s"))
    run_loop()
    assert runtime.heard == [
        (TYPING, Audience(channel=CHANNEL)),
        (TYPING, Audience()),
        (TYPING, Audience(user_id=UserId("u"), exclude=SessionId("s"))),
    ]


def test_a_command_says_it_to_the_live_server_in_the_words_that_its_workers_read(
    said: list[tuple[str, str, Any]],
) -> None:
    with transaction.atomic():
        publish.durable(NEW)
        publish.to_channel(TYPING)
        publish.to_everybody(TYPING)
        assert said == []
    (group, kind, body), followers_said, channel_said, everybody_said = said
    assert (group, kind, wire.durable_from_body(body)) == (channel_group(CHANNEL), wire.DURABLE_KIND, [NEW])
    assert followers_said[:2] == (wire.EVERYBODY_GROUP, wire.ACTIVITY_KIND)
    assert wire.activities_from_body(followers_said[2]) == [wire.activity_of(NEW.data, is_new=True)]
    assert channel_said[:2] == (channel_group(CHANNEL), wire.EPHEMERAL_KIND)
    assert everybody_said[:2] == (wire.EVERYBODY_GROUP, wire.EPHEMERAL_KIND)
    assert wire.ephemeral_from_body(everybody_said[2]) == (TYPING, Audience())


def test_a_loop_that_is_closed_makes_no_error_of_what_is_stored(runtime: Runtime) -> None:
    """The process is ending: the request is answered as it was decided, and what else waits for the commit is done."""
    running, done = node.current(), []
    assert running is not None
    running.loop.close()
    with transaction.atomic():
        publish.durable(NEW)
        publish.to_channel(TYPING)
        publish.to_everybody(TYPING)
        publish.to_user(UserId("u"), TYPING)
        transaction.on_commit(lambda: done.append(True))
    assert done == [True]
    assert runtime.heard == []


def test_what_fails_while_telling_is_logged_and_the_rest_is_told(
    runtime: Runtime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delattr(Runtime, "publish_durable")
    with transaction.atomic():
        publish.durable(NEW)
        publish.to_channel(TYPING)
    run_loop()
    assert runtime.heard == [(TYPING, Audience(channel=CHANNEL))]
    assert "_after_commit" in caplog.text
