"""Bytes that no row knows: a restored database knows nothing of what was sent since its backup. Called by a command.

The server never looks for them by itself: it could not tell them from the files of another database that are kept in
the same place.
"""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Iterator

from chat.files.storage import FileStorage
from chat.models import File

TOGETHER = 500


def orphans(storage: FileStorage) -> Iterator[uuid.UUID]:
    """The files that are kept and should not be. Raises OSError."""
    # A row is there before the first byte.
    kept = storage.ids()
    while ids := set(itertools.islice(kept, TOGETHER)):
        yield from sorted(ids.difference(File.objects.filter(pk__in=ids, gone_at=None).values_list("pk", flat=True)))
