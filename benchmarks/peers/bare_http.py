"""What the load generator for HTTP can ask at most: `python -m benchmarks.peers.bare_http PORT`.

Whatever comes on a connection is taken for one request, and answered with the same ready-made bytes.
"""

import selectors
import socket
import sys

BODY = b'{"channels":[]}'
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (len(BODY), BODY)


def main() -> None:
    listener = socket.create_server(("127.0.0.1", int(sys.argv[1])), backlog=1024)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            if key.fileobj is listener:
                accepted, _ = listener.accept()
                accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                selector.register(accepted, selectors.EVENT_READ)
                continue
            sock: socket.socket = key.fileobj  # type: ignore[assignment]
            if sock.recv(65_536):
                sock.sendall(ANSWER)
            else:
                selector.unregister(sock)
                sock.close()


if __name__ == "__main__":
    main()
