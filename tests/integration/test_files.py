"""Files over a real server: in as a stream, into a message, out again to who may read it, and gone with the message."""

from __future__ import annotations

import hashlib
import socket
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.conftest import MakeServer
from tests.support.pictures import encoded
from tests.support.ports import wait_for
from tests.support.server import LiveServer

MIB = 1024 * 1024
FILES = "/api/v1/files"
PNG = encoded(Image.effect_noise((64, 32), 90).convert("RGB"), "PNG")
WAIT_S = 30.0


@pytest.fixture
def ada(server: LiveServer) -> Iterator[httpx.Client]:
    yield from client(server)


@pytest.fixture
def bob(server: LiveServer) -> Iterator[httpx.Client]:
    yield from client(server)


def client(server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=60, headers=headers) as http:
        yield http


def sent(http: httpx.Client, content: bytes, name: str = "a.bin") -> dict[str, Any]:
    answer = http.post(FILES, params={"name": name}, content=content)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


def posted(
    http: httpx.Client, *ids: str, key: str = "general", text: str = "", nonce: str | None = None
) -> httpx.Response:
    body = {"text": text, "nonce": nonce or f"files {time.monotonic_ns()}", "files": list(ids)}
    return http.post(f"/api/v1/channels/{key}/messages", json=body)


def path(file: dict[str, Any]) -> str:
    return f"{FILES}/{file['id']}/{file['name']}"


def test_a_file_is_sent_shown_in_a_message_and_read_by_who_reads_the_channel(
    ada: httpx.Client, bob: httpx.Client
) -> None:
    content = bytes(range(256)) * 12_000
    file = sent(ada, content, "numbers.bin")
    assert file == {
        "id": file["id"],
        "name": "numbers.bin",
        "type": "application/octet-stream",
        "size": len(content),
    }
    assert bob.get(path(file)).status_code == 404  # in no message yet
    message = posted(ada, file["id"], nonce="numbers")
    assert message.status_code == 201, message.text
    assert message.json()["files"] == [file]
    assert message.json()["text"] == ""
    again = posted(ada, file["id"], nonce="numbers")
    assert (again.status_code, again.json()["id"]) == (200, message.json()["id"])
    other = posted(ada, file["id"])
    assert (other.status_code, other.json()["error"]["code"]) == (409, "conflict")
    read = bob.get(path(file))
    assert hashlib.sha256(read.content).digest() == hashlib.sha256(content).digest()
    assert read.headers["content-disposition"].startswith("attachment; ")
    assert read.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert read.headers["x-content-type-options"] == "nosniff"
    assert read.headers["cache-control"] == "private, no-cache"
    page = bob.get("/api/v1/channels/general/messages").json()["messages"]
    assert page[-1]["files"] == [file]


def test_a_form_brings_a_file_too(ada: httpx.Client) -> None:
    answer = ada.post(FILES, data={"more": "words"}, files={"file": ("../../tea\u202egpj.exe", PNG, "text/html")})
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["name"], file["type"], file["size"]) == ("teagpj.exe", "image/png", len(PNG))
    assert (file["width"], file["height"]) == (64, 32)
    assert ada.get(path(file)).content == PNG


def test_an_image_has_a_thumbnail_and_is_shown_in_the_page(ada: httpx.Client) -> None:
    turned = Image.new("RGB", (900, 600), "red")
    exif = turned.getexif()
    exif[0x0112] = 6
    exif[0x010E] = "where I live"
    file = sent(ada, encoded(turned, "JPEG", exif=exif), "me.jpg")
    assert (file["type"], file["width"], file["height"]) == ("image/jpeg", 600, 900)
    thumb = ada.get(f"{FILES}/{file['id']}/thumb")
    assert thumb.headers["content-type"] == "image/webp"
    assert b"where I live" not in thumb.content
    shown = ada.get(path(file))
    assert shown.headers["content-disposition"].startswith("inline; ")


def test_ranges_and_versions(ada: httpx.Client) -> None:
    file = sent(ada, b"0123456789")
    whole = ada.get(path(file))
    etag = whole.headers["etag"]
    part = ada.get(path(file), headers={"Range": "bytes=2-4"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"234", "bytes 2-4/10")
    assert ada.get(path(file), headers={"Range": "bytes=-3"}).content == b"789"
    assert ada.get(path(file), headers={"Range": "bytes=10-"}).status_code == 416
    assert ada.get(path(file), headers={"Range": "bytes=0-1,3-4"}).content == b"0123456789"
    assert ada.get(path(file), headers={"Range": "bytes=2-4", "If-Range": '"other"'}).status_code == 200
    assert ada.get(path(file), headers={"If-None-Match": etag}).status_code == 304
    assert ada.head(path(file)).headers["content-length"] == "10"


def test_pages_read_by_a_cookie_and_others_by_signed_addresses(ada: httpx.Client, server: LiveServer) -> None:
    file = sent(ada, PNG, "tea.png")
    given = ada.post(f"{FILES}/cookie")
    assert given.status_code == 204
    said = given.headers["set-cookie"]
    assert "HttpOnly" in said
    assert "SameSite=Strict" in said
    assert f"Path={FILES}" in said
    cookie = said.split(";")[0]
    signed = ada.post(f"{FILES}/sign", json={"ids": [file["id"], "01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a71"]}).json()
    assert [each["id"] for each in signed["results"]] == [file["id"]]
    with httpx.Client(base_url=server.url, timeout=60) as page:
        assert page.get(path(file)).status_code == 401
        assert page.get(path(file), headers={"Cookie": cookie}).content == PNG
        assert page.get("/api/v1/me", headers={"Cookie": cookie}).status_code == 401
        assert page.get(signed["results"][0]["url"]).content == PNG
        assert page.get(signed["results"][0]["thumb_url"]).headers["content-type"] == "image/webp"
        other = sent(ada, b"other")
        ticket = signed["results"][0]["url"].partition("?")[2]
        assert page.get(f"{path(other)}?{ticket}").status_code == 401
        ada.post("/api/v1/tokens/revoke-all")
        assert page.get(signed["results"][0]["url"]).status_code == 401
        assert page.get(path(file), headers={"Cookie": cookie}).status_code == 401


def test_what_is_deleted_is_out_of_reach_at_once(ada: httpx.Client, bob: httpx.Client) -> None:
    file = sent(ada, b"soon gone")
    message = posted(ada, file["id"], text="look").json()
    assert bob.get(path(file)).content == b"soon gone"
    deleted = ada.delete(f"/api/v1/channels/general/messages/{message['id']}")
    assert "files" not in deleted.json()
    assert bob.get(path(file)).status_code == 404
    assert ada.get(path(file)).status_code == 404


def test_the_bytes_of_what_was_deleted_leave_the_disk(make_server: MakeServer) -> None:
    server = make_server()

    def kept() -> list[str]:
        return sorted(path.name for path in (server.data_dir / "files").rglob("*") if path.is_file())

    for ada in client(server):
        file = sent(ada, PNG, "tea.png")
        message = posted(ada, file["id"]).json()
        assert kept() == [file["id"], f"{file['id']}.thumb"]
        ada.delete(f"/api/v1/channels/general/messages/{message['id']}")
    wait_for(lambda: kept() == [], 60, "the chore")


def test_a_caption_is_taken_away_and_the_file_stays(ada: httpx.Client) -> None:
    file = sent(ada, b"tea")
    message, bare = posted(ada, file["id"], text="look").json(), posted(ada, text="look").json()
    base = "/api/v1/channels/general/messages"
    edited = ada.patch(f"{base}/{message['id']}", json={"text": ""})
    assert (edited.status_code, edited.json()["text"], edited.json()["files"]) == (200, "", [file])
    refused = ada.patch(f"{base}/{bare['id']}", json={"text": ""})
    assert (refused.status_code, refused.json()["error"]["fields"]) == (400, {"text": "blank"})


def test_what_is_too_large_is_refused_before_it_is_sent(ada: httpx.Client, server: LiveServer) -> None:
    head = (
        f"POST {FILES} HTTP/1.1\r\nHost: localhost\r\nAuthorization: {ada.headers['Authorization']}\r\n"
        f"Content-Length: {26 * MIB}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=WAIT_S) as raw:
        raw.sendall(head.encode())
        answer = b""
        while chunk := raw.recv(65_536):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"too_large" in answer
    assert b"connection: close" in answer.lower()
