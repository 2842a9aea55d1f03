"""The files that posts name, of one commit: whether each may be sent with that post, and that it then belongs to it.

A file belongs to one message. Used by batches; where no post names any, there is no statement.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

import orjson

from chat.domain.files import FileData, no_file
from chat.models import File
from reaktor.errors import ConflictError, ReaktorError
from reaktor.why import Why


class Attaching:
    """Locks the files, so that the chore which takes away what nobody sent waits."""

    def __init__(self, named: Iterable[Sequence[str]]) -> None:
        wanted = {pk for ids in named for pk in map(_parsed, ids) if pk is not None}
        self._files: dict[uuid.UUID, File] = {}
        if wanted:
            found = File.objects.select_for_update().filter(pk__in=wanted, deleted_at=None).exclude(stored_at=None)
            self._files = {file.pk: file for file in found.order_by("pk")}
        self._taken: dict[uuid.UUID, uuid.UUID] = {}

    def refusal(self, ids: Sequence[str], author_id: str) -> ReaktorError | None:
        """Why the author can't send these; None: they can."""
        named: set[uuid.UUID] = set()
        for pk in map(_parsed, ids):
            file = self._files.get(pk) if pk is not None else None
            if file is None or str(file.owner_id) != author_id:
                return no_file()
            if file.message_id is not None or file.pk in self._taken:
                return ConflictError("That file was sent already.", why=Why.FILE_SENT_ALREADY)
            if file.pk in named:
                return ConflictError("A message has each file once.")
            named.add(file.pk)
        return None

    def take(self, ids: Sequence[str], message_id: uuid.UUID) -> list[FileData]:
        """They are that message's, in this order; refusal() has been asked."""
        files = [self._files[uuid.UUID(each)] for each in ids]
        self._taken.update((file.pk, message_id) for file in files)
        return [file_data(file) for file in files]

    def store(self) -> None:
        for pk, message_id in self._taken.items():
            File.objects.filter(pk=pk).update(message_id=message_id)


def file_data(file: File) -> FileData:
    """The shape."""
    data: FileData = {"id": str(file.pk), "name": file.name, "type": file.type, "size": file.size}
    if file.width is not None and file.height is not None:
        data["width"], data["height"] = file.width, file.height
    return data


def files_column(files: Sequence[FileData]) -> str | None:
    """As a message's row keeps them."""
    return orjson.dumps(files).decode() if files else None


def _parsed(file_id: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(file_id)
    except ValueError:
        return None
