"""The history that this database tells: a restored copy of it is another one, since it gives numbers again."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from django.db import transaction

from chat.models import History, KeptPlace, Notice, OutboxEntry
from reaktor.db.identity import database_identity


def history_settle() -> bool:
    """Before serving: begin a new epoch where this is a restored copy; whether it is.

    Clients see the new epoch in their next greeting and read everything anew. Otherwise they would keep messages that
    are no more, and take new ones for those, because numbers are given again.
    """
    return _settle(is_copy=lambda history, home: history.home not in (None, home))


def history_begin() -> None:
    """The same for a copy that nothing tells from its original, such as a disk that was set back."""
    _settle(is_copy=lambda history, home: True)


def _settle(is_copy: Callable[[History, str], bool]) -> bool:
    with transaction.atomic():
        history = History.objects.select_for_update().get(pk=1)
        home = database_identity(History._meta.db_table)
        begins = is_copy(history, home)
        if begins:
            history.epoch = uuid.uuid4()
            # What somebody had seen of the other history says nothing about this one.
            KeptPlace.objects.all().delete()
            # Nobody is told a second time of what was said before.
            Notice.objects.all().delete()
            OutboxEntry.objects.all().delete()
        if begins or history.home != home:
            history.home = home
            history.save(update_fields=["epoch", "home"])
        return begins
