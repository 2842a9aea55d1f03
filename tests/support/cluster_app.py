"""A small application with a runtime, for tests of the cluster's machinery: it tells who it is and misbehaves to order.

HTTP: /who, /echo, /slow, /fail, /half, /silent, /rss, and /api/v1/files, whose body is streamed. WebSocket: echoes;
says bye on drain; obeys `!who`, `!hang`, `!sleep S`, `!soon`, `!empty`, `!close`, `!return`, `!fail`, `!flood N`;
paths /fail and /return end before accepting, and /echo/at-once takes messages at once where it can; /echo/at-end says
all back when its client says no more, and obeys `!stay` and `!close` then. Both: /absent is refused as by an
application that is not there.
"""

import asyncio
import json
import os
import time
from functools import partial

from reaktor.cluster.replies import refuse_scope
from reaktor.observe.memory import rss_bytes
from reaktor.web.edge import Edge
from reaktor.web.frame_sink import sink_of
from reaktor.web.message_source import offer_messages, tell_of_end
from reaktor.web.reply import json_reply
from reaktor.web.websocket_frames import binary_frame, text_frame

if os.path.exists(os.environ.get("TEST_BROKEN_IF", "")):
    raise SyntaxError("broken on purpose")

sessions: dict[int, object] = {}
counters = {"in": 0, "out": 0}


async def application(scope, receive, send):
    if scope["path"] == "/absent":
        await refuse_scope(scope, receive, send, Edge())
    elif scope["type"] == "http":
        await _http(scope, receive, send)
    elif scope["type"] == "websocket":
        await _websocket(scope, receive, send)


def _worker():
    return os.environ.get("REAKTOR_WORKER", "0.0")


def _who(scope):
    named = {name: scope[name] for name in ("client", "scheme", "path", "root_path")}
    named |= {"query": scope["query_string"].decode(), "headers": [name.decode() for name, _ in scope["headers"]]}
    host = dict(scope["headers"]).get(b"host", b"").decode()
    return {"worker": _worker(), "pid": os.getpid(), "host": host, **named}


async def _http(scope, receive, send):
    path = scope["path"]
    body, more, messages = b"", True, 0
    while more:
        message = await receive()
        messages += 1
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if path == "/fail":
        raise RuntimeError("a secret of the application")
    if path == "/silent":
        return
    if path == "/half":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        raise RuntimeError("half")
    if path == "/slow":
        await asyncio.sleep(float(scope["query_string"] or b"1"))
    if path == "/echo":
        await json_reply(200, {"bytes": len(body)}).send(scope, send)
    elif path == "/api/v1/files":
        await json_reply(200, {"bytes": len(body), "messages": messages}).send(scope, send)
    elif path == "/rss":
        await json_reply(200, {"rss": rss_bytes(os.getpid()), "sessions": len(sessions)}).send(scope, send)
    else:
        await json_reply(200, _who(scope)).send(scope, send)


async def _websocket(scope, receive, send):
    await receive()
    if scope["path"] == "/fail":
        raise RuntimeError("a secret of the application")
    if scope["path"] == "/return":
        return
    await send({"type": "websocket.accept", "headers": [(b"x-worker", _worker().encode())]})
    if scope["path"] == "/echo/at-end":
        await _echo_at_end(scope, receive, send)
        return
    sessions[id(send)] = send
    if scope["path"] == "/echo/at-once":
        offer_messages(scope, partial(_take, sink_of(scope)))
    try:
        while (message := await receive())["type"] != "websocket.disconnect":
            counters["in"] += 1
            if not await _obey(message.get("text") or "", scope, send):
                echo = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
                await send({"type": "websocket.send", **echo})
                counters["out"] += 1
            if message.get("text") == "!return":
                return
    finally:
        sessions.pop(id(send), None)


async def _echo_at_end(scope, receive, send):
    said, ended = [], asyncio.get_running_loop().create_future()

    async def keep():
        while (message := await receive())["type"] != "websocket.disconnect":
            said.append(message["text"])

    tell_of_end(scope, ended.set_result)
    keeping = asyncio.ensure_future(keep())
    for text in (f"end {await ended}", *said):
        await send({"type": "websocket.send", "text": text})
    if "!close" in said:
        await send({"type": "websocket.close", "code": 4001})
    if "!stay" not in said:
        keeping.cancel()
    await asyncio.wait([keeping])


def _take(sink, message):
    """Echo what is no order."""
    if message == "!fail":
        raise RuntimeError("a secret of the application")
    if message[:1] in ("!", b"!"):
        return False
    sink.write(text_frame(message.encode()) if isinstance(message, str) else binary_frame(message))
    return True


async def _obey(text, scope, send):
    word, _, argument = text.partition(" ")
    if word == "!who":
        await send({"type": "websocket.send", "text": json.dumps(_who(scope))})
    elif word == "!hang":
        time.sleep(60)  # noqa: ASYNC251  a hung loop is what is asked for
    elif word == "!sleep":
        await asyncio.sleep(float(argument))
    elif word == "!soon":
        asyncio.get_running_loop().call_soon(sink_of(scope).write, text_frame(b"soon"))
    elif word == "!empty":
        await send({"type": "websocket.send", "text": ""})
        await send({"type": "websocket.send", "bytes": b""})
    elif word == "!close":
        await send({"type": "websocket.close", "code": 4001, "reason": "because"})
    elif word == "!fail":
        raise RuntimeError("a secret of the application")
    elif word == "!flood":
        sink = sink_of(scope)
        for number in range(int(argument)):
            sink.write(text_frame(b"sink %d" % number))
            await send({"type": "websocket.send", "text": f"asgi {number}"})
    else:
        return word == "!return"
    return True


class Runtime:
    """What a worker runs beside the application."""

    def __init__(self, place):
        self.place = place
        self.ready = asyncio.Event()

    async def run(self):
        if os.environ.get("TEST_BOOT") == f"fail {self.place.slot}":
            raise RuntimeError("this worker was told not to boot")
        self.ready.set()
        await asyncio.Event().wait()

    def tell_hosts(self, hosts):
        """Nothing is relayed."""

    def share_counts(self, counts):
        """Nobody is told."""

    async def wait_ready(self):
        await self.ready.wait()

    async def drain(self, seconds):
        for send in list(sessions.values()):
            await send({"type": "websocket.send", "text": "bye"})
            await send({"type": "websocket.close", "code": 4001})
        while sessions:  # noqa: ASYNC110  a test is simple
            await asyncio.sleep(0.01)

    def status(self):
        return {
            "sessions": len(sessions),
            "epoch": 1,
            "revision": 7,
            "digest": "same",
            "messages_in": counters["in"],
            "messages_out": counters["out"],
        }


def create_runtime(place):
    if os.environ.get("TEST_BOOT") == "import":
        raise ImportError("no module named because-of-the-test")
    return Runtime(place)
