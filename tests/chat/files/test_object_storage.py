"""The same bytes in an S3-compatible object storage: moto's server, which holds them in memory."""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from chat.files.storage import FileStorage, MissingError
from reaktor.config.model import Files
from reaktor.settings.storages import PART_BYTES, files_storage
from tests.support.ports import free_port

BUCKET = "reaktor"
FILE = uuid.UUID("01af2b6c-7d10-7c3e-8a55-3f1d2e4b5a71")


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=address, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    client.create_bucket(Bucket=BUCKET)
    yield address
    server.stop()


@pytest.fixture
def storage(settings: Any, endpoint: str, tmp_path: Path) -> FileStorage:
    files = Files(s3_bucket=BUCKET, s3_endpoint=endpoint, s3_region="us-east-1", s3_access_key="a", s3_secret_key="b")
    config = dataclasses.replace(settings.REAKTOR, data_dir=tmp_path, files=files)
    settings.STORAGES = {**settings.STORAGES, "files": files_storage(config)}
    found = FileStorage(config)
    found.incoming.mkdir(parents=True)
    return found


def incoming(storage: FileStorage, content: bytes) -> Path:
    path = storage.incoming / "x"
    path.write_bytes(content)
    return path


def test_a_file_of_several_parts_is_kept_read_from_anywhere_and_removed(storage: FileStorage) -> None:
    content = bytes(range(256)) * (PART_BYTES // 256) + b"the end"
    path = incoming(storage, content)
    storage.keep(FILE, path)
    assert not path.exists()
    opened = storage.open(FILE, PART_BYTES)
    assert (opened.size, opened.stream.read(4), opened.stream.read()) == (len(content), b"the ", b"end")
    opened.stream.close()
    assert storage.open(FILE, len(content)).stream.read() == b""
    storage.keep_thumb(FILE, b"small")
    assert storage.open(FILE, is_thumb=True).stream.read() == b"small"
    assert set(storage.ids()) == {FILE}
    storage.remove(FILE)
    storage.remove(FILE)
    assert set(storage.ids()) == set()
    for is_thumb in (False, True):
        with pytest.raises(MissingError):
            storage.open(FILE, is_thumb=is_thumb)


def test_what_is_kept_again_replaces_what_was_there(storage: FileStorage) -> None:
    storage.keep(FILE, incoming(storage, b"one"))
    storage.keep(FILE, incoming(storage, b"two"))
    assert storage.open(FILE).stream.read() == b"two"


def test_an_object_storage_that_is_away_is_an_error_of_the_system(settings: Any, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    files = Files(s3_bucket=BUCKET, s3_endpoint=nobody, s3_region="x", s3_access_key="a", s3_secret_key="b")
    config = dataclasses.replace(settings.REAKTOR, data_dir=tmp_path, files=files)
    settings.STORAGES = {**settings.STORAGES, "files": files_storage(config)}
    storage = FileStorage(config)
    storage.incoming.mkdir(parents=True)
    for ask in (
        lambda: storage.open(FILE),
        lambda: storage.keep(FILE, incoming(storage, b"one")),
        lambda: storage.keep_thumb(FILE, b"small"),
        lambda: storage.remove(FILE),
    ):
        with pytest.raises(OSError, match="object storage"):
            ask()
