"""Writes: the kept places, as chat.membership.places gives them. One statement each; no lock, no event."""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence

import orjson
from django.db import connection
from django.db.models import F, Q

from chat.domain.ids import UserId
from chat.membership.places import MEMORY_S, PlaceRow
from chat.models import KeptPlace
from reaktor.db.columns import uuid_to_column

# One parameter for all rows, so that their number does not matter. What is over stays over: the row of a session that
# another one took the place of may be written again by a worker that has not heard of it yet.
_STORE = """
INSERT INTO chat_keptplace (key, worker, user_id, until, place) {rows}
ON CONFLICT (key) DO UPDATE SET worker = EXCLUDED.worker, user_id = EXCLUDED.user_id, until = EXCLUDED.until,
    place = EXCLUDED.place
WHERE chat_keptplace.place <> ''
"""
_ROWS = {
    "sqlite": "SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]'), json_extract(value, '$[2]'), "
    "json_extract(value, '$[3]'), json_extract(value, '$[4]') FROM json_each(%s) WHERE true",
    "postgresql": "SELECT value->>0, value->>1, (value->>2)::uuid, (value->>3)::double precision, value->>4 "
    "FROM json_array_elements(%s::json)",
}


def places_store(rows: Sequence[PlaceRow]) -> None:
    """Store these rows, each in the place of the one with its key."""
    values = [
        (key, worker, None if user_id is None else str(uuid_to_column(user_id)), until, place)
        for key, worker, user_id, until, place in rows
    ]
    with connection.cursor() as cursor:
        cursor.execute(_STORE.format(rows=_ROWS[connection.vendor]), [orjson.dumps(values).decode()])


def places_clear() -> int:
    """Delete the rows that have been over for a while, and say how many. Any process may do so, and two at once."""
    over = time.time() - MEMORY_S
    workers = KeptPlace.objects.filter(key=F("worker"), until__gte=over).values("key")
    gone, _ = KeptPlace.objects.filter(Q(until__lt=over) | Q(until=None) & ~Q(worker__in=workers)).delete()
    return gone


def places_forget(user_id: UserId) -> None:
    """Nothing is kept of this user's sessions any more."""
    KeptPlace.objects.filter(user_id=uuid.UUID(user_id)).delete()
