"""The floor of a fan-out: `python -m benchmarks.peers.bare_send PORT`. Each byte from one connection is a post.

For N bytes that came together, N ready-made WebSocket frames leave in one send() to each of the other connections. The
frame is as long as what our server sends of a message of 100 characters.
"""

import json
import selectors
import socket
import sys

from reaktor.web.websocket_frames import text_frame

ACCEPTED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
EVENT = {
    "event": "message.new", "channel": "general", "seq": 1234,
    "data": {
        "id": "0199f1c8-6a52-7cc3-b6a5-0d3b6c1f4e21", "channel": "general", "number": 1234, "seq": 1234,
        "changed_seq": 1234, "author": "benchnative", "text": "x" * 100, "reply_to": None,
        "nonce": "1234-4936126461833-99", "reactions": {}, "mentions": [], "created_at": "2026-01-31T12:00:00.000Z",
        "edited_at": None, "deleted_at": None,
    },
}  # fmt: skip
FRAME = text_frame(json.dumps(EVENT, separators=(",", ":")).encode())


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    members: set[socket.socket] = set()
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                joined, _ = listener.accept()
                joined.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(joined, selectors.EVENT_READ)
                continue
            sender: socket.socket = key.fileobj  # type: ignore[assignment]
            data = sender.recv(65_536)
            if not data:
                selector.unregister(sender)
                members.discard(sender)
                sender.close()
            elif sender not in members:
                members.add(sender)
                sender.sendall(ACCEPTED)
            else:
                send_all(members - {sender}, FRAME * len(data))


def send_all(members: set[socket.socket], data: bytes) -> None:
    """A member that is slow to read holds up the others: the load generator reads all of them."""
    for member in members:
        member.sendall(data)


if __name__ == "__main__":
    main()
