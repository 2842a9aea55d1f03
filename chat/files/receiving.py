"""A file on its way in: room is reserved, the bytes are written as they come, then it is looked at and kept.

Five steps, each called in a thread by chat.transports.file_bytes: file_reserve(), Upload.take() for each chunk,
Upload.sync(), Upload.settle(), file_store(). What is broken off is given up by Upload.discard() and file_give_up(); if
the process dies, chat.files.sweeping does it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import shlex
import subprocess
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.db.models import Sum

from accounts.models import User
from chat.domain import files as rules
from chat.domain.files import FileData
from chat.domain.ids import UserId
from chat.files.storage import FileStorage
from chat.models import File
from chat.posting.attaching import file_data
from reaktor.config.model import Files
from reaktor.db.ids import uuid7
from reaktor.errors import (
    InvalidError,
    NotAuthenticatedError,
    RateLimitedError,
    ReaktorError,
    TooLargeError,
    UnavailableError,
)
from reaktor.sandbox.pictures import Pictures
from reaktor.why import Why

logger = logging.getLogger(__name__)

ALIVE_S = 60.0
"""What is being sent says so more often than that."""
THUMB_SIDE = 480
SCAN_S = 60.0
SETTLE_BYTES = 1024 * 1024
"""So much is written to the disk's cache before it has to be on the disk."""


def file_reserve(*, user_id: UserId, size: int | None, name: str, config: Files) -> uuid.UUID:
    """Begin a file of that many bytes at most (None: nobody has said). Not a byte is taken before this.

    Raises TooLargeError (the file; all that one may keep), RateLimitedError (too many at once).
    """
    if size is not None and size > config.max_bytes:
        raise too_large(config)
    reserved = config.max_bytes if size is None else size
    now = datetime.now(UTC)
    with transaction.atomic():
        # One after the other: else two would see the same room.
        if User.objects.select_for_update(no_key=True).filter(pk=user_id).only("pk").first() is None:
            raise NotAuthenticatedError
        mine = File.objects.filter(owner_id=uuid.UUID(user_id), gone_at=None, deleted_at=None)
        if mine.filter(stored_at=None, alive_at__gt=now - timedelta(seconds=ALIVE_S)).count() >= config.at_once:
            raise RateLimitedError(
                f"At most {config.at_once} files are sent at once.",
                retry_after_s=1.0,
                why=Why.TOO_MANY_FILES,
                limit=config.at_once,
            )
        kept = mine.aggregate(total=Sum("size"))["total"] or 0
        if kept + reserved > config.quota_bytes:
            shown = rules.size_shown(config.quota_bytes)
            raise TooLargeError(
                f"You may keep {shown} here in all, and there is not enough left.",
                why=Why.NO_ROOM,
                limit=config.quota_bytes,
            )
        file = File.objects.create(
            id=uuid7(),
            owner_id=uuid.UUID(user_id),
            name=rules.file_name(name),
            size=reserved,
            created_at=now,
            alive_at=now,
        )
    return file.pk


def too_large(config: Files) -> TooLargeError:
    return TooLargeError(
        f"A file has at most {rules.size_shown(config.max_bytes)}.", why=Why.FILE_TOO_LARGE, limit=config.max_bytes
    )


def file_alive(file_id: uuid.UUID) -> None:
    """It is still being sent."""
    File.objects.filter(pk=file_id, stored_at=None).update(alive_at=datetime.now(UTC))


def file_give_up(file_id: uuid.UUID) -> None:
    """It comes to nothing: what was reserved is free again. Its bytes, if any, go later, even where the sweeper was
    there already: it may have come before they were kept.
    """
    File.objects.filter(pk=file_id, stored_at=None).update(deleted_at=datetime.now(UTC), gone_at=None)


@dataclass(frozen=True, slots=True)
class Settled:
    """What was found out about a file whose bytes are kept."""

    name: str
    type: str
    size: int
    digest: str
    width: int | None = None
    height: int | None = None


def file_store(file_id: uuid.UUID, settled: Settled) -> FileData:
    """From now on it can be sent with a message. Raises InvalidError: it was given up meanwhile."""
    now = datetime.now(UTC)
    with transaction.atomic():
        file = File.objects.select_for_update().filter(pk=file_id, stored_at=None, deleted_at=None).first()
        if file is None:
            raise InvalidError("The file was given up meanwhile: send it again.")
        for field in ("name", "type", "size", "digest", "width", "height"):
            setattr(file, field, getattr(settled, field))
        file.stored_at = now
        file.save()
    return file_data(file)


class Upload:
    """The bytes of one file, in a file of their own. In threads, one call after the other."""

    def __init__(self, file_id: uuid.UUID, storage: FileStorage, config: Files, most: int | None) -> None:
        """`most`: as many as were reserved; None: as many as a file may have."""
        self._id, self._storage, self._config = file_id, storage, config
        self._most = config.max_bytes if most is None else most
        self._digest = hashlib.sha256()
        self._head = b""
        self.size = self._settled = 0
        storage.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._path = storage.incoming / str(file_id)
        self._file = os.fdopen(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b", buffering=0)

    def take(self, data: bytes) -> None:
        """Raises TooLargeError, and OSError where the disk does."""
        self.size += len(data)
        if self.size > self._most:
            raise too_large(self._config)
        self._digest.update(data)
        if len(self._head) < rules.HEAD_BYTES:
            self._head += data[: rules.HEAD_BYTES - len(self._head)]
        view = memoryview(data)
        while view:
            view = view[self._file.write(view) :]
        if self.size - self._settled >= SETTLE_BYTES:
            # Else what has gathered would be written by whoever commits next: by those who post.
            self._settled = self.size
            os.fdatasync(self._file.fileno())

    def sync(self) -> None:
        """All bytes are here, and now on the disk. Raises InvalidError, OSError."""
        if not self.size:
            raise InvalidError("The file is empty.", why=Why.FILE_EMPTY)
        os.fdatasync(self._file.fileno())

    def settle(self, name: str, pictures: Pictures) -> Settled:
        """Look at what was synced, and keep it. Raises InvalidError, UnavailableError, OSError."""
        self._scan()
        kind = rules.type_of(self._head)
        found = Settled(rules.file_name(name), kind, self.size, self._digest.hexdigest())
        thumb = None
        if kind in rules.IMAGES:
            try:
                thumb = pictures.thumbnail(self._file, (THUMB_SIDE, THUMB_SIDE), max_bytes=self._config.max_bytes)
            except ReaktorError as error:
                # It is no picture that we dare to show: a download, as anything else.
                logger.info("file %s has no thumbnail: %s", self._id, error)
        self._file.close()
        self._storage.keep(self._id, self._path)
        if thumb is None:
            return found
        self._storage.keep_thumb(self._id, thumb.data)
        return Settled(found.name, found.type, found.size, found.digest, thumb.width, thumb.height)

    def discard(self) -> None:
        """Nothing of it is needed. May be repeated, and called after settle()."""
        self._file.close()
        self._path.unlink(missing_ok=True)

    def _scan(self) -> None:
        if not self._config.scan_command:
            return
        command = [*shlex.split(self._config.scan_command), str(self._path)]
        try:
            done = subprocess.run(  # noqa: S603  the operator's own, in a list
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=SCAN_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            logger.error("FILES_SCAN did not answer: %s", error)
            raise UnavailableError("The file can't be looked at now.") from error
        if done.returncode:
            raise InvalidError("The file was refused.", why=Why.FILE_REFUSED)
