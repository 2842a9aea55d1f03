"""Every answer of a server as in production keeps browsers safe: pages, API, files, errors, and what is no request.

All routes are walked, as a stranger and as an administrator; then what is answered before and beside Django.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest

from reaktor.web.edge import SAFETY
from tests.conftest import MakeServer
from tests.support.routes import all_paths
from tests.support.server import PASSWORD, LiveServer

HOST = "chat.example"
BY_PROXY = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "203.0.113.7"}
GOES_ON = {"/admin/logout/"}
"""Walked last, or the others would be asked by a stranger."""
OWN_POLICY = ("/api/v1/files/", "/avatars/", "/logo/")
"""What people have uploaded is shown under a policy that allows nothing at all."""


@pytest.fixture(scope="module")
def server(make_server: MakeServer) -> LiveServer:
    """As in production, behind a proxy that speaks HTTPS."""
    return make_server(
        DJANGO_SETTINGS_MODULE="tests.support.secure_settings",
        PUBLIC_URL=f"https://{HOST}",
        TRUSTED_PROXIES="127.0.0.1",
        REGISTRATION="open",
        STAFF_TOTP="optional",
        LIMIT_REQUESTS_PER_ADDRESS="100000/1s",
        LIMIT_REQUESTS_PER_USER="100000/1s",
        LIMIT_OPERATIONS="100000/1s",
        LIMIT_CHANGES="100000/1s",
    )


@pytest.fixture(scope="module")
def stranger(server: LiveServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, headers=BY_PROXY, timeout=30) as http:
        yield http


@dataclass
class Root:
    """A superuser: in the admin by cookie, at the API by token."""

    http: httpx.Client
    token: dict[str, str]


@pytest.fixture(scope="module")
def root(server: LiveServer) -> Iterator[Root]:
    name = f"root{secrets.token_hex(4)}"
    # Cookies for HTTPS alone are not sent over HTTP, which is what is spoken behind the proxy: they are sent by hand.
    with httpx.Client(base_url=server.url, headers=BY_PROXY, timeout=30) as http:
        made = http.post("/api/v1/accounts", json={"username": name, "password": PASSWORD})
        with contextlib.closing(sqlite3.connect(server.data_dir / "reaktor.sqlite3", timeout=20)) as store, store:
            store.execute("UPDATE accounts_user SET is_staff = 1, is_superuser = 1 WHERE username = ?", [name])
        csrf = http.get("/admin/login/").cookies["csrftoken"]
        fields = {"username": name, "password": PASSWORD, "csrfmiddlewaretoken": csrf, "next": "/admin/"}
        referer = {"Referer": f"https://{HOST}/admin/login/", "Cookie": f"csrftoken={csrf}"}
        logged_in = http.post("/admin/login/", data=fields, headers=referer)
        assert logged_in.status_code == 302, logged_in.text
        check(logged_in)
        session = logged_in.cookies["sessionid"]
        http.cookies.clear()
        http.headers["Cookie"] = f"csrftoken={csrf}; sessionid={session}"
        yield Root(http, {"Authorization": f"Bearer {made.json()['access']}"})


def check(answer: httpx.Response) -> None:
    """What every answer must have."""
    where = f"{answer.request.method} {answer.request.url}: {answer.status_code} {dict(answer.headers)}"
    assert answer.status_code < 500, where
    headers = answer.headers
    path = answer.request.url.path
    for name, value in SAFETY:
        found = headers.get_list(name.decode())
        assert len(found) == 1, where
        if name != b"content-security-policy" or not path.startswith(OWN_POLICY):
            assert found == [value.decode()], where
    assert headers["content-security-policy"].startswith("default-src 'none'"), where
    assert headers["strict-transport-security"].startswith("max-age="), where
    assert "server" not in headers, where
    assert "x-powered-by" not in headers, where
    for cookie in headers.get_list("set-cookie"):
        assert "Secure" in cookie, cookie
        assert "SameSite=" in cookie, cookie
        assert "HttpOnly" in cookie or cookie.startswith("csrftoken="), cookie


def test_every_route_answers_a_stranger_with_the_headers_that_keep_browsers_safe(stranger: httpx.Client) -> None:
    paths = all_paths()
    assert len(paths) > 150
    for path in paths:
        check(stranger.get(path, headers={"Origin": "https://elsewhere.example"}))
        check(stranger.post(path))


@pytest.mark.long
def test_every_route_answers_an_administrator_with_the_same(root: Root) -> None:
    paths = all_paths()
    for path in sorted(paths, key=lambda each: each in GOES_ON):
        if path.startswith("/admin"):
            check(root.http.get(path))
        else:
            check(root.http.get(path, headers=root.token))
            if path != "/api/v1/tokens/revoke-all":
                check(root.http.post(path, headers=root.token, content=b"{]"))
            check(root.http.options(path, headers=root.token))
            check(root.http.request("BREW", path, headers=root.token))


def test_what_is_answered_before_django_has_them_too(server: LiveServer, stranger: httpx.Client, root: Root) -> None:
    plain = {**BY_PROXY, "X-Forwarded-Proto": "http"}
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA=="}
    file = root.http.post("/api/v1/files?name=a.html", content=b"<script>alert(1)</script>", headers=root.token)
    check(file)
    answers = {
        "a file": root.http.get(f"/api/v1/files/{file.json()['id']}/a.html", headers=root.token),
        "static": stranger.get("/static/chat/main.js"),
        "static 404": stranger.get("/static/chat/nowhere.js"),
        "static beside": stranger.get("/static/../../etc/passwd"),
        "404": stranger.get("/nowhere"),
        "404 of the API": stranger.get("/api/v1/nowhere"),
        "404 of the admin": stranger.get("/admin/nowhere/"),
        "another host": stranger.get("/", headers={"Host": "evil.example"}),
        "another host at the API": stranger.get("/api/v1/me", headers={"Host": "evil.example"}),
        "no CSRF token": stranger.post("/admin/login/", data={"username": "x", "password": "x"}),
        "a bad token": stranger.get("/api/v1/me", headers={"Authorization": "Bearer x"}),
        "bad JSON": stranger.post("/api/v1/tokens", content=b"{]", headers={"Content-Type": "application/json"}),
        "too large": stranger.post("/api/v1/tokens", content=b"x" * 600_000),
        "HEAD": stranger.head("/"),
        "TRACE": stranger.request("TRACE", "/"),
        "healthz": stranger.get("/healthz"),
        "readyz": stranger.get("/readyz"),
        "metrics": stranger.get("/metrics"),
        "Socket.IO": stranger.get("/socket.io/?EIO=4&transport=polling"),
        "Socket.IO without": stranger.get("/socket.io/"),
        "Socket.IO unknown": stranger.get("/socket.io/?EIO=4&transport=polling&sid=unknown"),
        "Socket.IO refused": stranger.get("/socket.io/?EIO=3&transport=polling&token=x"),
        "Socket.IO's client": stranger.get("/socket.io/socket.io.js"),
        "a WebSocket nowhere": stranger.get("/elsewhere", headers={**upgrade, **key}),
        "a WebSocket without a key": stranger.get("/ws/v1", headers=upgrade),
        "a WebSocket of an old version": stranger.get(
            "/ws/v1", headers={**upgrade, **key, "Sec-WebSocket-Version": "8"}
        ),
        "no WebSocket": stranger.get("/ws/v1"),
    }
    for what, answer in answers.items():
        try:
            check(answer)
        except AssertionError as error:
            raise AssertionError(f"{what}: {error}") from None
    redirected = stranger.get("/", headers=plain)
    assert (redirected.status_code, redirected.headers["location"]) == (301, f"https://{HOST}/")
    assert b"alert(1)" in answers["a file"].content
    assert answers["a file"].headers["content-disposition"].startswith("attachment")


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", b"400"),
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: chat.example\r\nno colon\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: chat.example\r\nX: " + b"x" * 100_000 + b"\r\n\r\n", b"431"),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"POST / HTTP/1.1\r\nHost: chat.example\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nHost: chat.example\r\nContent-Length: 99999999\r\n\r\n", b"413"),
    ],
    ids=["a version", "no request", "no colon", "a header", "a line", "no length", "a body"],
)
def test_what_is_no_request_is_refused_with_them(server: LiveServer, said: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as line:
        with contextlib.suppress(ConnectionError):
            line.sendall(said)
        heard = b""
        with contextlib.suppress(ConnectionError):
            while chunk := line.recv(65_536):
                heard += chunk
    head = heard.partition(b"\r\n\r\n")[0].lower()
    assert head.split(b"\r\n")[0].split(b" ")[1] in {status, b"400"}, heard
    for name, value in SAFETY:
        assert name + b": " + value.lower() in head, (name, head)
    assert b"\r\nserver:" not in head
