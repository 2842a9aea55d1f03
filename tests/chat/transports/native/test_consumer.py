"""One connection of the native protocol, with a real runtime and no network: how it ends, and what it survives."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from channels.layers import InMemoryChannelLayer

from accounts import tokens
from accounts.models import User
from chat import services
from chat.domain.ids import ChannelKey
from chat.live.arrivals import PLACES
from chat.live.runtime import Runtime
from chat.models import Channel, ChannelMembership, History, WordRule
from chat.posting.batches import Post, store_batch
from chat.transports.native import consumer, protocol
from chat.transports.native.consumer import NativeConsumer
from chat.transports.native.sink import AsgiSink
from reaktor.config.model import Config, Limits
from reaktor.errors import Bye, CloseCode
from reaktor.observe.logcontext import SESSION, SESSION_CHARS
from reaktor.process import node
from tests.support import asgi
from tests.support.databases import channel_of, user_ref
from tests.support.runtime import running_runtime
from tests.support.waiting import until

pytestmark = pytest.mark.django_db(transaction=True)


class Place:
    """A process that serves the native protocol, and ann's token."""

    def __init__(self, runtime: Runtime, token: str) -> None:
        self.runtime, self.token = runtime, token

    async def opened(self, sink: asgi.RecordingSink | None = None) -> asgi.Socket:
        """An accepted connection that has said nothing yet."""
        socket = asgi.Socket(NativeConsumer.as_asgi(), "/ws/v1", sink, subprotocols=[protocol.SUBPROTOCOL])
        await socket.accepted()
        return socket

    def hello(self, socket: asgi.Socket) -> None:
        socket.say(json.dumps({"id": 1, "op": "hello", "data": {"token": self.token}}))

    async def greeted(self) -> asgi.Socket:
        """A live session's connection."""
        socket = await self.opened()
        self.hello(socket)
        assert (await answer(socket))["ok"] is True
        return socket

    async def greeted_by_us(self) -> tuple[asgi.Socket, asgi.RecordingSink]:
        """One on our own server, in the channel tea; what it was told so far is forgotten."""
        sink = asgi.RecordingSink()
        socket = await self.opened(sink)
        self.hello(socket)
        await until(lambda: len(self.runtime.hub))
        ask(socket, "channel.join", "tea")
        await until(lambda: b'"member_count"' in sink.data)
        await asyncio.sleep(0)
        sink.data.clear()
        return socket, sink


def ask(socket: asgi.Socket, op: str, channel: str | None = None, **data: Any) -> None:
    socket.say(json.dumps({"id": 7, "op": op, "data": data, **({"channel": channel} if channel else {})}))


async def answer(socket: asgi.Socket) -> dict[str, Any]:
    """The next frame that is an answer; events are passed over."""
    while "re" not in (frame := json.loads(await socket.text())):
        pass
    return dict(frame)


async def refused(socket: asgi.Socket) -> str:
    """The code of the next answer, which is a refusal."""
    return str((await answer(socket))["error"]["code"])


def token_of_ann() -> str:
    History.objects.get_or_create(pk=1)
    for key in ("tea", "coffee"):
        channel_of(None, key)
    return str(tokens.new(tokens.ACCESS, User.objects.get(pk=user_ref("ann").id)))


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    config = replace(Config(tmp_path), limits=Limits(channels_per_session=1))
    async with running_runtime(config, InMemoryChannelLayer(capacity=100_000)) as runtime:
        node.install(node.Node(asyncio.get_running_loop(), runtime.bus, runtime))
        yield Place(runtime, await runtime.database.write(token_of_ann))
        node.clear()


async def test_who_comes_while_the_process_drains_is_told_to_come_back(place: Place) -> None:
    place.runtime.is_draining = True
    socket = await place.opened()
    bye = json.loads(await socket.text())
    assert (bye["event"], bye["data"]["code"]) == ("bye", CloseCode.RESTARTING)
    assert await socket.closed() == CloseCode.RESTARTING
    socket.lose()
    await socket.done()


async def test_who_has_gone_while_hello_waited_costs_the_store_nothing(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a storm most of the work was done for clients that had given up and come again."""
    sinks = [asgi.RecordingSink() for _ in range(2 * PLACES)]
    sockets = [await place.opened(sink) for sink in sinks]
    asked: list[object] = []

    async def read(*args: object) -> None:
        asked.append(args)

    monkeypatch.setattr(place.runtime.database, "read", read)
    async with contextlib.AsyncExitStack() as busy:
        for _ in range(PLACES):
            await busy.enter_async_context(place.runtime.arrivals.place())
        for socket, sink in zip(sockets, sinks, strict=True):
            place.hello(socket)
            sink.is_open = False
            socket.lose()
    for socket in sockets:
        await socket.done()
    assert (asked, len(place.runtime.hub)) == ([], 0)


async def test_who_does_not_answer_the_close_is_cut_off(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumer, "CLOSE_TIMEOUT_S", 0.05)
    place.runtime.is_draining = True
    sink = asgi.RecordingSink()
    socket = await place.opened(sink)
    assert await socket.closed() == CloseCode.RESTARTING
    await until(lambda: sink.is_aborted)
    await socket.done()


async def test_a_live_session_that_does_not_answer_the_close_is_cut_off_too(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumer, "CLOSE_TIMEOUT_S", 0.05)
    sink = asgi.RecordingSink()
    socket = await place.opened(sink)
    place.hello(socket)
    await until(lambda: len(place.runtime.hub))
    place.runtime.hub.sessions()[0].close(Bye(CloseCode.LOGGED_OUT, "elsewhere"))
    assert await socket.closed() == CloseCode.LOGGED_OUT
    await until(lambda: sink.is_aborted)
    assert len(place.runtime.hub) == 0
    socket.lose()
    await socket.done()


async def test_who_is_logged_out_while_saying_hello_is_told_that_and_nothing_else(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = place.runtime.feeder.submit

    async def submit(*arguments: Any) -> Any:
        decided = await real(*arguments)
        place.runtime.hub.sessions()[0].close(Bye(CloseCode.LOGGED_OUT, "elsewhere"))
        return decided

    monkeypatch.setattr(place.runtime.feeder, "submit", submit)
    socket = await place.opened()
    place.hello(socket)
    bye = json.loads(await socket.text())
    assert (bye["event"], bye["data"]["code"]) == ("bye", CloseCode.LOGGED_OUT)
    assert await socket.closed() == CloseCode.LOGGED_OUT
    socket.lose()
    await socket.done()


async def test_a_frame_that_is_too_large_is_refused_and_the_session_goes_on(place: Place) -> None:
    socket = await place.greeted()
    ask(socket, "channel.list", search="x" * place.runtime.config.limits.frame_bytes)
    assert await refused(socket) == "too_large"
    ask(socket, "channel.list")
    assert (await answer(socket))["ok"] is True


async def test_a_bug_in_one_operation_is_answered_and_logged_and_the_session_goes_on(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object) -> None:
        raise ZeroDivisionError

    socket = await place.greeted()
    monkeypatch.setitem(consumer.HANDLERS, "channel.list", fail)
    ask(socket, "channel.list")
    assert await refused(socket) == "internal"
    assert "channel.list failed" in caplog.text
    ask(socket, "channel.leave", "tea")
    assert (await answer(socket))["ok"] is True


async def test_a_message_is_on_its_way_to_the_writer_when_it_was_read(place: Place) -> None:
    """A task, a future and a turn of the loop for each frame were a tenth of what a post costs."""
    socket, sink = await place.greeted_by_us()
    for number in range(3):
        ask(socket, "message.send", "tea", text=str(number), nonce=str(number))
        assert len(place.runtime.writer) == number + 1
    await until(lambda: sink.data.count(b'"re":7,"ok":true') == 3)


async def test_what_comes_behind_a_frame_that_waits_is_handled_behind_it(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    socket, sink = await place.greeted_by_us()
    may_go_on = asyncio.Event()

    async def slow(context: Any, session: object, request: Any) -> None:
        await may_go_on.wait()
        context.answer(request, {"slow": True})

    monkeypatch.setitem(consumer.HANDLERS, "channel.list", slow)
    ask(socket, "typing", "coffee", on=True)
    ask(socket, "channel.list")
    ask(socket, "typing", "coffee", on=True)
    await asyncio.sleep(0)
    ask(socket, "typing", "coffee", on=True)
    await asyncio.sleep(0)
    assert [json.loads(each)["ok"] for each in sink.texts()] == [False]
    may_go_on.set()
    await until(lambda: sink.data.count(b'"re"') == 3)
    assert [json.loads(each)["ok"] for each in sink.texts()] == [True, False, False]


async def test_a_bug_in_what_is_handled_at_once_is_answered_and_logged_in_the_name_of_its_session(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    named: list[str] = []

    def fail(*_: object) -> None:
        named.append(SESSION.get())
        raise ZeroDivisionError

    socket, sink = await place.greeted_by_us()
    monkeypatch.setitem(consumer.AT_ONCE, "typing", fail)
    ask(socket, "typing", "tea", on=True)
    await until(lambda: sink.data)
    assert json.loads(sink.texts()[0])["error"]["code"] == "internal"
    assert "typing failed" in caplog.text
    (session,) = place.runtime.hub.sessions()
    assert named == [session.info.session_id[:SESSION_CHARS]]


async def test_bad_frames_that_are_read_at_once_end_the_session_too(place: Place) -> None:
    socket, sink = await place.greeted_by_us()
    for _ in range(place.runtime.config.limits.bad_frames):
        socket.say(b"binary")
    assert await socket.closed() == CloseCode.PROTOCOL_ERROR
    texts = [json.loads(each) for each in sink.texts()]
    assert [each["error"]["code"] for each in texts[:-1]] == ["invalid"] * place.runtime.config.limits.bad_frames
    assert texts[-1]["event"] == "bye"
    socket.say("behind it")
    socket.lose()
    await socket.done()


async def test_a_time_that_is_none_is_refused_with_the_name_of_its_field(place: Place) -> None:
    socket = await place.greeted()
    ask(socket, "moderation.mute", "tea", user="ann", until="tomorrow")
    error = (await answer(socket))["error"]
    assert (error["code"], set(error["fields"])) == ("invalid", {"until"})


async def test_who_is_in_too_many_channels_or_comes_back_to_too_many_is_refused(place: Place) -> None:
    socket = await place.greeted()
    ask(socket, "channel.join", "tea")
    assert (await answer(socket))["ok"] is True
    ask(socket, "channel.join", "coffee")
    assert await refused(socket) == "too_large"
    other = await place.opened()
    resume = {"tea": 0, "coffee": 0}
    other.say(json.dumps({"id": 1, "op": "hello", "data": {"token": place.token, "resume": resume}}))
    assert await refused(other) == "too_large"


def many_channels(count: int, topic: str) -> None:
    """Ann belongs to so many channels of a number each; something is unread in the last, and one is direct."""
    ann, bob = User.objects.get(username="ann"), user_ref("bob")
    made = Channel.objects.bulk_create(
        Channel(key=f"k{number}", name=f"Channel {number}", kind="unlisted", topic=topic) for number in range(count)
    )
    ChannelMembership.objects.bulk_create(ChannelMembership(channel=channel, user=ann) for channel in made)
    store_batch([Post(bob, ChannelKey(f"k{count - 1}"), "unread", None)])
    services.direct_open(user=bob, username="ann")


@pytest.mark.parametrize(("topic", "most"), [("", 500), ("\N{HOT BEVERAGE}" * 300, 300)], ids=["many", "large"])
async def test_a_greeting_has_so_many_channels_and_says_how_many_are_left(place: Place, topic: str, most: int) -> None:
    await place.runtime.database.write(many_channels, 520, topic)
    socket = await place.opened()
    hello = {"token": place.token, "resume": {"k510": 0}}
    socket.say(json.dumps({"id": 1, "op": "hello", "data": hello}))
    data = (await answer(socket))["data"]
    keys = [each["key"] for each in data["channels"]]
    assert len(keys) + data["channels_left"] == 521
    assert len(keys) == most if not topic else 100 < len(keys) < most
    assert len(json.dumps(data["channels"], ensure_ascii=False, separators=(",", ":")).encode()) <= 256 * 1024
    # Those that it comes back to, that are direct or have something unread are there, and then the oldest ones.
    first = [key for key in keys if not key.startswith("dm-")][: len(keys) - 3]
    assert first == [f"k{number}" for number in range(len(keys) - 3)]
    assert {"k510", "k519"} < set(keys)
    assert sum(key.startswith("dm-") for key in keys) == 1
    assert all("last" not in each for each in data["channels"])


async def test_what_is_written_after_the_cut_is_not_sent() -> None:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    sink = AsgiSink(send)
    sending = asyncio.create_task(sink.run())
    sink.write(protocol.bye(Bye(CloseCode.RESTARTING)))
    await sink.flushed(10)
    sink.write(protocol.bye(Bye(CloseCode.RESTARTING)))
    sink.abort()
    await sink.flushed(10)
    sink.write(protocol.bye(Bye(CloseCode.RESTARTING)))
    await asyncio.sleep(0)
    assert (len(sent), sink.unsent_bytes) == (1, 0)
    sending.cancel()
    await asyncio.gather(sending, return_exceptions=True)


async def test_a_goodbye_waits_for_a_client_that_reads_nothing_and_not_for_ever(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection of a client that had stopped reading stayed for as long as it liked, after its bye."""
    monkeypatch.setattr(consumer, "CLOSE_TIMEOUT_S", 0.05)
    sent: list[str] = []

    async def receive() -> dict[str, Any]:
        if not sent:
            return {"type": "websocket.connect"}
        return await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message["type"])
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()

    # Without the subprotocol it is told to go at once.
    scope = {"type": "websocket", "path": "/ws/v1", "headers": [], "subprotocols": [], "client": ("192.0.2.1", 5)}
    async with asyncio.timeout(10):
        await NativeConsumer.as_asgi()(scope, receive, send)
    assert sent == ["websocket.accept", "websocket.send", "websocket.close"]


async def test_names_and_topics_of_channels_pass_the_word_filter_here_too(place: Place) -> None:
    """What REST refused was taken over the socket, and stood in everybody's list of channels."""
    socket = await place.greeted()
    await place.runtime.database.write(WordRule.objects.create, word="darn", action="reject")
    ask(socket, "channel.create", name="Tea")
    key = (await answer(socket))["data"]["key"]
    ask(socket, "channel.create", name="Darn")
    assert await refused(socket) == "forbidden"
    ask(socket, "channel.update", key, topic="so darn good")
    assert await refused(socket) == "forbidden"
