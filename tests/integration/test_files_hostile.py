"""What strangers send as files, and how they ask for them: refused or made harmless, and the server lives on."""

from __future__ import annotations

import io
import os
import resource
import socket
import time
import uuid
import zipfile
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.support.pictures import encoded, plain, png_that_says
from tests.support.server import LiveServer

FILES = "/api/v1/files"
MIB = 1024 * 1024
WAIT_S = 60.0
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"><script>alert(2)</script></svg>'


@pytest.fixture(scope="module")
def eve(server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=WAIT_S, headers=headers) as http:
        yield http


def zipped() -> bytes:
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(20_000_000))
    return written.getvalue()


def polyglot() -> bytes:
    """A GIF by its first bytes, HTML by its others."""
    return plain("GIF") + b"<html><script>alert(1)</script></html>"


CORPUS: dict[str, tuple[bytes, str, bool]] = {
    "html": (b"<!doctype html><script>alert(1)</script>", "text/plain; charset=utf-8", False),
    "svg": (SVG, "text/plain; charset=utf-8", False),
    "svg in UTF-16": (SVG.decode().encode("utf-16"), "application/octet-stream", False),
    "a bomb of pixels": (png_that_says(8_000, 6_000), "image/png", False),
    "a long thin bomb": (png_that_says(20_000, 100), "image/png", False),
    "a bomb of zeros": (zlib.compress(bytes(20_000_000)), "application/octet-stream", False),
    "an archive bomb": (zipped(), "application/zip", False),
    "half a picture": (plain("PNG")[:60], "image/png", False),
    "a head and junk": (b"\xff\xd8\xff" + bytes(range(256)) * 20, "image/jpeg", False),
    "gif and html": (polyglot(), "image/gif", True),
    "pdf and script": (b"%PDF-1.7\n<script>alert(1)</script>", "application/pdf", False),
}


@pytest.mark.parametrize("what", CORPUS)
def test_no_file_is_run_by_a_browser(eve: httpx.Client, what: str) -> None:
    content, kind, is_shown = CORPUS[what]
    answer = eve.post(FILES, params={"name": f"{what}.html"}, content=content, headers={"Content-Type": "text/html"})
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["type"], "width" in file) == (kind, is_shown)
    read = eve.get(f"{FILES}/{file['id']}/x.html")
    assert read.content == content
    assert read.headers["content-type"] == kind
    assert read.headers["content-disposition"].startswith("inline" if is_shown else "attachment")
    assert read.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert eve.get(f"{FILES}/{file['id']}/thumb").status_code == (200 if is_shown else 404)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("invoice\u202efdp.exe", "invoicefdp.exe"),
        ("nul\x00l.txt", "null.txt"),
        ("a\r\nSet-Cookie: x=1.txt", "aSet-Cookie: x=1.txt"),
        ('"; filename="evil.html', '"; filename="evil.html'),
        ("ä" * 300, "ä" * 127),
        ("thumb", "thumb_"),
        ("", "file"),
        (" . ", "file"),
    ],
)
def test_names_lead_nowhere(eve: httpx.Client, name: str, stored: str) -> None:
    file = eve.post(FILES, params={"name": name}, content=b"x").json()
    assert file["name"] == stored
    read = eve.get(f"{FILES}/{file['id']}/whatever")
    assert read.headers["content-disposition"].startswith('attachment; filename="')
    assert read.headers["content-disposition"].count('"') == 2
    assert "set-cookie" not in read.headers


def raw(server: LiveServer, eve: httpx.Client, head: str, *parts: bytes) -> bytes:
    """What the server says to a request that no client library would send."""
    start = (
        f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: {eve.headers['Authorization']}\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as connection:
        connection.sendall(f"{start}{head}\r\n\r\n".encode())
        answer = b""
        try:
            for part in parts:
                connection.sendall(part)
            while chunk := connection.recv(65_536):
                answer += chunk
        except ConnectionError:
            pass
        return answer


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [
        ("Content-Length: 0", b"", 400),
        ("Content-Length: -1", b"", 400),
        ("Content-Length: 99999999999999999999", b"", 413),
        ("Content-Length: 5\r\nContent-Length: 6", b"hello", 400),
        ("Content-Length: 5\r\nTransfer-Encoding: chunked", b"0\r\n\r\n", 400),
        ("Content-Length: 5\r\nContent-Encoding: gzip", b"hello", 415),
        ("Content-Length: 5\r\nContent-Type: multipart/form-data; boundary=a", b"hello", 400),
        ("Content-Length: 5\r\nContent-Type: multipart/form-data", b"hello", 400),
        ("Transfer-Encoding: chunked", b"5\r\nhello\r\n0\r\n\r\n", 201),
        ("Transfer-Encoding: chunked", b"zz\r\nhello", 400),
    ],
)
def test_lengths_that_lie(server: LiveServer, eve: httpx.Client, head: str, body: bytes, status: int) -> None:
    assert raw(server, eve, head, body).startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_without_a_length_has_a_bound(server: LiveServer, eve: httpx.Client) -> None:
    chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
    assert raw(server, eve, "Transfer-Encoding: chunked", *[chunk] * 25, b"1\r\nx\r\n").startswith(b"HTTP/1.1 413 ")


def test_what_is_broken_off_is_given_up_at_once(server: LiveServer, eve: httpx.Client) -> None:
    for _ in range(6):  # more than are sent at the same time
        with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as connection:
            connection.sendall(
                f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {eve.headers['Authorization']}\r\n"
                "Content-Length: 1000000\r\n\r\n".encode()
                + bytes(100_000)
            )
    deadline = time.monotonic() + WAIT_S
    while (answer := eve.post(FILES, content=b"x")).status_code == 429 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert answer.status_code == 201


def test_no_more_than_three_at_once(server: LiveServer) -> None:
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=WAIT_S, headers=headers) as http:
        slow = []
        try:
            for _ in range(3):
                connection = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S)
                slow.append(connection)
                connection.sendall(
                    f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {headers['Authorization']}\r\n"
                    "Content-Length: 100000\r\n\r\n".encode()
                    + bytes(50_000)
                )
            deadline = time.monotonic() + WAIT_S
            while (answer := http.post(FILES, content=b"x")).status_code != 429 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert answer.json()["error"]["code"] == "rate_limited"
        finally:
            for connection in slow:
                connection.close()


@pytest.mark.long
def test_who_sends_too_slowly_is_cut_off(server: LiveServer, eve: httpx.Client) -> None:
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as connection:
        connection.sendall(
            f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {eve.headers['Authorization']}\r\n"
            "Content-Length: 1000000\r\n\r\n".encode()
        )
        connection.settimeout(0.2)
        answer = b""
        while not answer and time.monotonic() - began < WAIT_S:
            connection.sendall(b"x")
            try:
                answer = connection.recv(65_536)
            except TimeoutError:
                continue
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"too slowly" in answer


def test_guessed_ids_and_odd_paths_find_nothing(eve: httpx.Client) -> None:
    file = eve.post(FILES, content=b"x").json()
    near = uuid.UUID(int=uuid.UUID(file["id"]).int + 1)
    for path in (f"{near}/x", f"{file['id']}/thumb", f"{file['id'].replace('-', '')}/x", "..%2f..%2fetc/passwd", "x/y"):
        assert eve.get(f"{FILES}/{path}").status_code == 404, path
    assert eve.get(f"{FILES}/{file['id']}/x?ticket=eyJ4Ijox").status_code == 200  # the header counts
    for method in ("PUT", "PATCH", "DELETE", "POST"):
        assert eve.request(method, f"{FILES}/{file['id']}/x").status_code == 405


def test_an_address_with_too_many_parameters_is_refused_as_invalid(eve: httpx.Client) -> None:
    parameters = "&".join(f"a{number}=1" for number in range(12))
    answer = eve.post(f"/api/v1/files?{parameters}", content=b"tea")
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid")


def test_many_ranges_at_once_cost_no_more_than_the_file(eve: httpx.Client) -> None:
    file = eve.post(FILES, content=bytes(100_000)).json()
    asked = "bytes=" + ",".join(f"{at}-" for at in range(500))
    answer = eve.get(f"{FILES}/{file['id']}/x", headers={"Range": asked})
    assert (answer.status_code, len(answer.content)) == (200, 100_000)


def test_a_crowd_of_readers_leaves_the_server_answering(server: LiveServer, eve: httpx.Client) -> None:
    file: dict[str, Any] = eve.post(FILES, content=bytes(3_000_000)).json()
    ask = (
        f"GET {FILES}/{file['id']}/x HTTP/1.1\r\nHost: localhost\r\n"
        f"Authorization: {eve.headers['Authorization']}\r\n\r\n"
    ).encode()

    def reads_nothing(_: int) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S)
        connection.sendall(ask)
        return connection

    with ThreadPoolExecutor(10) as threads:
        held = list(threads.map(reads_nothing, range(20)))
    try:
        assert eve.get("/api/v1/me").status_code == 200
        assert eve.get(f"{FILES}/{file['id']}/x", headers={"Range": "bytes=0-9"}).content == bytes(10)
    finally:
        for connection in held:
            connection.close()


def test_ten_who_read_nothing_and_three_who_send_cost_no_memory(server: LiveServer) -> None:
    size = 25 * MIB
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=WAIT_S, headers=headers) as http:
        # What is loaded once is not counted.
        file: dict[str, Any] = http.post(FILES, content=os.urandom(size)).json()
        assert len(http.get(f"{FILES}/{file['id']}/x").content) == size
        assert server.process is not None
        pid = server.process.pid
        before = memory_kib(pid)
        head = f"GET {FILES}/{file['id']}/x HTTP/1.1\r\nHost: localhost\r\n"
        ask = f"{head}Authorization: {headers['Authorization']}\r\n\r\n"
        held = []
        try:
            for _ in range(10):
                held.append(socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S))
                held[-1].sendall(ask.encode())
            with ThreadPoolExecutor(3) as threads:
                sent = [threads.submit(http.post, FILES, content=bytes(size)) for _ in range(3)]
                highest = before
                while not all(each.done() for each in sent):
                    highest = max(highest, memory_kib(pid))
                    time.sleep(0.01)
            assert [each.result().status_code for each in sent] == [201] * 3
            for connection in held:
                assert connection.recv(12) == b"HTTP/1.1 200"
        finally:
            for connection in held:
                connection.close()
    assert highest - before < 20 * 1024


def memory_kib(pid: int) -> int:
    """Resident memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() // 1024


def test_a_thumbnail_has_nothing_of_what_the_camera_wrote(eve: httpx.Client) -> None:
    picture = Image.new("RGB", (60, 40), "red")
    exif = picture.getexif()
    exif[0x010E] = "at home"
    file = eve.post(FILES, content=encoded(picture, "JPEG", exif=exif)).json()
    thumb = eve.get(f"{FILES}/{file['id']}/thumb")
    assert Image.open(io.BytesIO(thumb.content)).getexif() == {}
