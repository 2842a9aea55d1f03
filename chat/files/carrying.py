"""The bytes of files, out to a directory and in from one: beside the JSON lines of an export (chat.moving).

A directory has a file for each id, and one for its thumbnail. Called by commands. What is missing is counted, and no
error: a backup of the bytes may be younger or older than that of the database.
"""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from chat.files.storage import FileStorage, MissingError
from chat.models import File

COPY_BYTES = 256 * 1024
ROWS = 1_000


class Carried(NamedTuple):
    files: int
    missing: int


def files_kept() -> Iterator[tuple[uuid.UUID, bool]]:
    """(id, whether it has a thumbnail) of each file whose bytes should be there."""
    found = File.objects.filter(gone_at=None).exclude(stored_at=None).order_by("pk").values_list("pk", "width")
    for pk, width in found.iterator(chunk_size=ROWS):
        yield pk, width is not None


def files_out(storage: FileStorage, directory: Path, on_progress: Callable[[], None] = lambda: None) -> Carried:
    """Copy all of them there; one that is there already is not written again. Raises OSError."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = missing = 0
    for file_id, has_thumb in files_kept():
        is_whole = _out(storage, file_id, directory / str(file_id), is_thumb=False)
        if has_thumb:
            _out(storage, file_id, directory / f"{file_id}.thumb", is_thumb=True)
        count, missing = count + is_whole, missing + (not is_whole)
        on_progress()
    return Carried(count, missing)


def files_in(storage: FileStorage, directory: Path, on_progress: Callable[[], None] = lambda: None) -> Carried:
    """Take those of the files that this database knows from there. Raises OSError."""
    storage.incoming.mkdir(mode=0o700, parents=True, exist_ok=True)
    count = missing = 0
    for file_id, has_thumb in files_kept():
        source, thumb = directory / str(file_id), directory / f"{file_id}.thumb"
        if source.exists():
            copy = storage.incoming / f"{file_id}.import"
            shutil.copyfile(source, copy)
            storage.keep(file_id, copy)
            count += 1
        else:
            missing += 1
        if has_thumb and thumb.exists():
            storage.keep_thumb(file_id, thumb.read_bytes())
        on_progress()
    return Carried(count, missing)


def _out(storage: FileStorage, file_id: uuid.UUID, target: Path, *, is_thumb: bool) -> bool:
    if target.exists():
        return True
    try:
        opened = storage.open(file_id, is_thumb=is_thumb)
    except MissingError:
        return False
    part = target.with_name(f"{target.name}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as stream:
            while chunk := opened.stream.read(COPY_BYTES):
                stream.write(chunk)
        part.replace(target)
    finally:
        opened.stream.close()
        part.unlink(missing_ok=True)
    return True
