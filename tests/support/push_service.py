"""A push service and the browsers behind it, for tests: real HTTPS, real decryption (RFC 8291), a checked signature."""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import http_ece
import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.support.certificates import certificates


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@dataclass
class Push:
    """One push as a browser reads it. `topic`: by which the service replaces what still waits."""

    content: dict[str, Any]
    topic: str
    headers: dict[str, str]
    at: float


@dataclass
class Browser:
    """What subscribed: its endpoint and keys; `shown`: what it was pushed, in order."""

    endpoint: str
    private: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    secret: bytes = field(default_factory=lambda: os.urandom(16))
    pushes: list[Push] = field(default_factory=list)

    @property
    def keys(self) -> dict[str, str]:
        point = self.private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        return {"p256dh": base64url(point), "auth": base64url(self.secret)}

    @property
    def subscription(self) -> dict[str, Any]:
        """The body of PUT me/push."""
        return {"endpoint": self.endpoint, "keys": self.keys}

    @property
    def texts(self) -> list[str]:
        return [push.content["text"] for push in self.pushes]

    def open(self, body: bytes) -> dict[str, Any]:
        plain = http_ece.decrypt(body, private_key=self.private, auth_secret=self.secret, version="aes128gcm")
        content: dict[str, Any] = json.loads(plain)
        return content


Answer = tuple[int, dict[str, str], bytes]
CREATED: Answer = (201, {}, b"")


class PushService:
    """`answers`: by path, what to answer instead of 201; a function is asked each time. `asked`: all paths so far."""

    def __init__(self, folder: Path) -> None:
        self.authority, certificate, key = certificates(folder)
        self._browsers: dict[str, Browser] = {}
        self.answers: dict[str, Answer | Callable[[], Answer]] = {}
        self.asked: list[str] = []
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(certificate, key)
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self._server.server_address[1]
        self.host = f"localhost:{self.port}"

    def browser(self, name: str) -> Browser:
        """A new browser, subscribed here."""
        found = Browser(f"https://{self.host}/push/{name}")
        self._browsers[urlsplit(found.endpoint).path] = found
        return found

    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.authority))

    def run(self) -> None:
        self._server.serve_forever(0.05)

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, path: str, headers: dict[str, str], body: bytes) -> Answer:
        with self._lock:
            self.asked.append(path)
            wanted = self.answers.get(path, CREATED)
            answer = wanted() if callable(wanted) else wanted
            if answer[0] == 201 and (browser := self._browsers.get(path)) is not None:
                self._check_signature(headers["authorization"])
                browser.pushes.append(Push(browser.open(body), headers["topic"], headers, time.monotonic()))
            return answer

    def _check_signature(self, said: str) -> None:
        """RFC 8292: a token for this very service, by the key that is named beside it."""
        fields = dict(part.strip().split("=", 1) for part in said.removeprefix("vapid ").split(","))
        point = base64.urlsafe_b64decode(fields["k"] + "=" * (-len(fields["k"]) % 4))
        public = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)
        claims = jwt.decode(fields["t"], public, algorithms=["ES256"], audience=f"https://{self.host}")
        assert claims["exp"] <= time.time() + 24 * 3_600

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        service = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                status, more, content = service._take(self.path, headers, body)
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **more}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  as its base class calls it
                pass

        return Handler


@contextmanager
def push_service(folder: Path) -> Iterator[PushService]:
    folder.mkdir(parents=True, exist_ok=True)
    service = PushService(folder)
    thread = threading.Thread(target=service.run, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.stop()
        thread.join(10)
