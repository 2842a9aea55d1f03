"""Deletions of files, once more: a restored database shows files that were deleted since its backup was made.

The rows of deleted files are a record of 90 days (chat.files.sweeping). It is read before a restore and replayed after
it: by `manage.py restore` itself, or by `manage.py file_deletions` around whatever else restores.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import orjson
from django.db import transaction

from chat.models import File, Message
from chat.posting.attaching import files_column

TOGETHER = 500


def files_deleted() -> list[uuid.UUID]:
    """All that are deleted, as far as is known."""
    return list(File.objects.exclude(deleted_at=None).order_by("deleted_at").values_list("pk", flat=True))


def files_delete_again(ids: Iterable[uuid.UUID]) -> int:
    """Out of reach, and their bytes are removed once more; how many there were. May be repeated."""
    wanted, count = list(ids), 0
    for start in range(0, len(wanted), TOGETHER):
        count += _delete(wanted[start : start + TOGETHER])
    return count


def _delete(ids: Sequence[uuid.UUID]) -> int:
    with transaction.atomic():
        found = File.objects.select_for_update().filter(pk__in=ids, deleted_at=None)
        messages = {message_id for message_id in found.values_list("message_id", flat=True) if message_id is not None}
        gone = {str(pk) for pk in ids}
        for message in Message.objects.select_for_update().filter(pk__in=messages).exclude(files=None):
            left = [each for each in orjson.loads(message.files or "[]") if each["id"] not in gone]
            Message.objects.filter(pk=message.pk).update(files=files_column(left))
        return File.objects.filter(pk__in=ids, deleted_at=None).update(deleted_at=datetime.now(UTC), gone_at=None)
