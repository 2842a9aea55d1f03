"""A stand-in for Sentry, that keeps what is reported: with taking_reports() as sentry, and SENTRY_DSN=sentry.dsn."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Sentry(ThreadingHTTPServer):
    """Takes whatever is posted: `bodies`, oldest first."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Taker)
        self.bodies: list[str] = []

    @property
    def dsn(self) -> str:
        return f"http://key@127.0.0.1:{self.server_port}/1"


class _Taker(BaseHTTPRequestHandler):
    server: Sentry

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.bodies.append((gzip.decompress(body) if self.headers["Content-Encoding"] else body).decode())
        self.send_response(200)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def taking_reports() -> Iterator[Sentry]:
    """It listens on a free port of this machine for as long as the block lasts."""
    sentry = Sentry()
    thread = threading.Thread(target=sentry.serve_forever)
    thread.start()
    try:
        yield sentry
    finally:
        sentry.shutdown()
        thread.join()
        sentry.server_close()
