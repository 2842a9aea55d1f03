"""Files of a real server that keeps them in an S3-compatible object storage: all bytes pass through the server."""

from __future__ import annotations

import os
from collections.abc import Iterator

import boto3
import httpx
import pytest
from moto.server import ThreadedMotoServer

from tests.conftest import MakeServer
from tests.support.pictures import plain
from tests.support.ports import free_port, wait_for
from tests.support.server import LiveServer

BUCKET = "chat-files"
FILES = "/api/v1/files"
KEYS = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="module")
def storage(endpoint: str) -> boto3.client:
    client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1", **KEYS)
    client.create_bucket(Bucket=BUCKET)
    return client


@pytest.fixture(scope="module")
def server(make_server: MakeServer, endpoint: str, storage: boto3.client) -> LiveServer:
    return make_server(
        S3_BUCKET=BUCKET, S3_ENDPOINT=endpoint, S3_REGION="us-east-1", S3_ACCESS_KEY="a", S3_SECRET_KEY="b"
    )


@pytest.fixture
def ada(server: LiveServer) -> Iterator[httpx.Client]:
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=60, headers=headers) as http:
        yield http


def kept(storage: boto3.client) -> list[str]:
    return sorted(each["Key"].partition("/")[2] for each in storage.list_objects_v2(Bucket=BUCKET).get("Contents", []))


def test_a_large_file_goes_in_and_out_and_from_anywhere(ada: httpx.Client, server: LiveServer) -> None:
    content = os.urandom(20 * 1024 * 1024)
    answer = ada.post(FILES, params={"name": "large.bin"}, content=content)
    assert answer.status_code == 201, answer.text
    path = f"{FILES}/{answer.json()['id']}/large.bin"
    whole = ada.get(path, follow_redirects=False)
    assert (whole.status_code, whole.content == content) == (200, True)
    part = ada.get(path, headers={"Range": "bytes=9000000-9000009"})
    assert (part.status_code, part.content) == (206, content[9_000_000:9_000_010])
    assert ada.get(path, headers={"Range": f"bytes={len(content)}-"}).status_code == 416
    assert list((server.data_dir / "files" / "incoming").iterdir()) == []


def test_what_is_deleted_leaves_the_storage(ada: httpx.Client, storage: boto3.client) -> None:
    before = kept(storage)
    file = ada.post(FILES, params={"name": "tea.png"}, content=plain("PNG")).json()
    assert ada.get(f"{FILES}/{file['id']}/thumb").headers["content-type"] == "image/webp"
    assert kept(storage) == sorted([*before, file["id"], f"{file['id']}.thumb"])
    body = {"text": "", "nonce": "s3", "files": [file["id"]]}
    message = ada.post("/api/v1/channels/general/messages", json=body).json()
    ada.delete(f"/api/v1/channels/general/messages/{message['id']}")
    assert ada.get(f"{FILES}/{file['id']}/tea.png").status_code == 404
    wait_for(lambda: kept(storage) == before, 60, "the chore")


def test_bytes_that_somebody_took_from_the_storage_are_not_found(ada: httpx.Client, storage: boto3.client) -> None:
    file_id = ada.post(FILES, content=b"tea").json()["id"]
    (key,) = (each["Key"] for each in storage.list_objects_v2(Bucket=BUCKET)["Contents"] if file_id in each["Key"])
    storage.delete_object(Bucket=BUCKET, Key=key)
    assert ada.get(f"{FILES}/{file_id}/x").status_code == 404


def test_a_storage_that_is_away_is_told_and_takes_no_room(make_server: MakeServer) -> None:
    server = make_server(
        S3_BUCKET=BUCKET, S3_ENDPOINT=f"http://127.0.0.1:{free_port()}", S3_ACCESS_KEY="a", S3_SECRET_KEY="b"
    )
    headers = {"Authorization": f"Bearer {server.account()[1]}"}
    with httpx.Client(base_url=server.url, timeout=60, headers=headers) as http:
        answer = http.post(FILES, content=b"tea")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")
    assert list((server.data_dir / "files" / "incoming").iterdir()) == []
