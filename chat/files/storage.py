"""Where the bytes are: a directory, or an object storage, by django-storages. In threads, never on the loop.

A file being sent is a real file in `incoming` first: what looks at it (the type, the thumbnail, a scanner) wants one.
Nothing here has an address: the server reads, checks and passes on.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from django.core.files.base import ContentFile, File
from django.core.files.storage import Storage, storages

from reaktor.config.model import Config

LEFTOVER_S = 86_400.0
"""What lies in `incoming` for so long was being sent when its process died."""
THUMB_SUFFIX = ".thumb"
_FOLDER = re.compile(r"[0-9a-f]{2}")


class MissingError(Exception):
    """There are no such bytes."""


class Opened(NamedTuple):
    """A stored file to be read from some byte on: read(n), close(). `size`: of all of it."""

    stream: Any
    size: int


class _Moved(File):  # type: ignore[type-arg]
    """A real file that the storage may take for itself."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        super().__init__(stream, name=path.name)
        self._path = path

    def temporary_file_path(self) -> str:
        return str(self._path)


class FileStorage:
    """One per process. The keys of a file and of its thumbnail are made of its id.

    Whatever an object storage has to complain of is an OSError, as what a disk has.
    """

    def __init__(self, config: Config) -> None:
        self.incoming = config.files_dir / "incoming"

    @property
    def _storage(self) -> Storage:
        return storages["files"]

    def keep(self, file_id: uuid.UUID, path: Path) -> None:
        """Take that file for its own; it is where it was no longer. What was there under its id is replaced."""
        key = _key(file_id)
        with _as_os_errors(self._storage):
            self._remove(key)
            with path.open("rb") as stream:
                self._storage.save(key, _Moved(path, stream))
        path.unlink(missing_ok=True)  # an object storage has a copy
        self._settle(key)

    def keep_thumb(self, file_id: uuid.UUID, data: bytes) -> None:
        key = _thumb_key(file_id)
        with _as_os_errors(self._storage):
            self._remove(key)
            self._storage.save(key, ContentFile(data))
        self._settle(key)

    def open(self, file_id: uuid.UUID, start: int = 0, *, is_thumb: bool = False) -> Opened:
        """Raises MissingError, OSError."""
        key = _thumb_key(file_id) if is_thumb else _key(file_id)
        bucket = getattr(self._storage, "bucket", None)
        if bucket is not None:
            with _as_os_errors(self._storage):
                return _open_object(bucket, key, start)
        try:
            stream = self._storage.open(key, "rb")
        except FileNotFoundError:
            raise MissingError from None
        size = stream.seek(0, os.SEEK_END)
        stream.seek(start)
        return Opened(stream, size)

    def remove(self, file_id: uuid.UUID) -> None:
        """The bytes and the thumbnail; what is not there is gone already. Raises OSError."""
        with _as_os_errors(self._storage):
            self._remove(_key(file_id))
            self._remove(_thumb_key(file_id))

    def ids(self) -> Iterator[uuid.UUID]:
        """Of all whose bytes or thumbnails are here, some perhaps twice. Raises OSError."""
        with _as_os_errors(self._storage):
            try:
                folders, _ = self._storage.listdir("")
            except FileNotFoundError:
                return
            for folder in filter(_FOLDER.fullmatch, folders):
                for name in self._storage.listdir(folder)[1]:
                    with contextlib.suppress(ValueError):
                        yield uuid.UUID(name.removesuffix(THUMB_SUFFIX))

    def sweep_incoming(self) -> None:
        """Remove what processes that died have left."""
        with contextlib.suppress(FileNotFoundError):
            for path in self.incoming.iterdir():
                with contextlib.suppress(FileNotFoundError):
                    if time.time() - path.stat().st_mtime > LEFTOVER_S:
                        path.unlink()

    def _remove(self, key: str) -> None:
        if hasattr(self._storage, "bucket") or self._storage.exists(key):
            self._storage.delete(key)

    def _settle(self, key: str) -> None:
        """That it is there survives a power cut: of the file that was seen to already."""
        if hasattr(self._storage, "bucket"):
            return
        directory = os.open(Path(self._storage.path(key)).parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


@contextlib.contextmanager
def _as_os_errors(storage: Storage) -> Iterator[None]:
    if not hasattr(storage, "bucket"):
        yield
        return
    from boto3.exceptions import Boto3Error  # whoever has a directory need not load them
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except (Boto3Error, BotoCoreError, ClientError) as error:
        raise OSError(f"the object storage: {error}") from error


def _key(file_id: uuid.UUID) -> str:
    # The last digits are the random ones.
    return f"{file_id.hex[-2:]}/{file_id}"


def _thumb_key(file_id: uuid.UUID) -> str:
    return f"{_key(file_id)}{THUMB_SUFFIX}"


def _open_object(bucket: Any, key: str, start: int) -> Opened:
    """By the client itself: the storage's own way would first fetch all of it into memory."""
    from botocore.exceptions import ClientError  # whoever has a directory need not load it

    try:
        size = int(bucket.Object(key).content_length)
        if start >= size:
            return Opened(ContentFile(b""), size)
        answer = bucket.Object(key).get(Range=f"bytes={start}-")
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            raise MissingError from None
        raise
    return Opened(answer["Body"], size)
