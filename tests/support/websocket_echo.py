"""A server that says back what it hears over any WebSocket: what Autobahn's suite drives.

`python -m tests.support.websocket_echo PORT [--unix PATH] [--relay-to PATH]`. On /at-once it takes messages as our
Daphne reads them, on every other path by receive(). With --relay-to it has no application of its own: as for a session
that another worker owns, it relays each WebSocket to the server that listens on that Unix socket.
"""

from __future__ import annotations

import argparse
import sys
from functools import partial
from pathlib import Path

from reaktor.cluster.daphne import Server
from reaktor.engineio.relay import WorkerRelay
from reaktor.engineio.sid import Worker
from reaktor.web.frame_sink import FrameSink, sink_of
from reaktor.web.message_source import offer_messages
from reaktor.web.scope import Receive, Scope, Send
from reaktor.web.websocket_frames import binary_frame, text_frame

MAX_MESSAGE_BYTES = 16 * 1024 * 1024
"""The largest message of the suite, and the most that a worker relays."""
PATIENCE_S = 600.0


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    sink = sink_of(scope)
    if scope["path"] == "/at-once" and sink is not None:
        offer_messages(scope, partial(_take, sink))
    while (message := await receive())["type"] == "websocket.receive":
        said = {key: message[key] for key in ("text", "bytes") if message.get(key) is not None}
        await send({"type": "websocket.send", **said})


def _take(sink: FrameSink, message: str | bytes) -> bool:
    sink.write(text_frame(message.encode()) if isinstance(message, str) else binary_frame(message))
    return True


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("--unix", type=Path, help="listen on this Unix socket, too")
    parser.add_argument("--relay-to", type=Path, help="pass each WebSocket to the server behind this Unix socket")
    given = parser.parse_args(arguments)
    endpoints = [f"tcp:{given.port}:interface=127.0.0.1"]
    if given.unix is not None:
        endpoints.append(f"unix:{given.unix}:mode=600:lockfile=0")
    application = echo
    if given.relay_to is not None:
        relay = WorkerRelay((0, 0), lambda *_: given.relay_to, patience_s=PATIENCE_S, max_body_bytes=0)
        application = partial(relay, Worker(0, 0, 0, 0))
    room = MAX_MESSAGE_BYTES
    Server(application, endpoints=endpoints, body_bytes=room, message_bytes=room, signal_handlers=True).run()


if __name__ == "__main__":
    main(sys.argv[1:])
