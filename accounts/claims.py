"""Whether an account may have a name that it wants: asked by all who store one, under one lock.

The lock makes names come one after another, in all processes, so that of two that look the same one wins. PostgreSQL
has it for the transaction; SQLite writes one transaction at a time anyway. It is taken before any row is locked.

Old workers, which an upgrade leaves for a while, know nothing of the columns: they write ASCII names, which the
constraint on lower(username) keeps apart, and leave the columns empty or as they were. So what is empty is filled here
first, and what is found is compared by the name itself.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from accounts import names
from reaktor.errors import NameTakenError

LOCK = 0x7265616B6E616D
"""The advisory lock's number: "reaknam" in ASCII."""
FILLED_TOGETHER = 1_000


def name_claim(username: str, owner: uuid.UUID | None = None) -> None:
    """Take the lock, and see whether the account `owner` (None: a new one) may have the name. In a transaction.

    Raises NameTakenError.
    """
    names_lock()
    names_fill()
    name_check(username, owner)


def name_check(username: str, owner: uuid.UUID | None = None) -> None:
    """The same without the lock: as far as can be said now. Raises NameTakenError: another account has the name, or
    had it until lately, or has one that looks the same.
    """
    if any(names.are_confusable(username, other) for other in neighbours([username], owner)):
        raise NameTakenError


def names_lock() -> None:
    """Wait until nobody else stores a name; the lock ends with the transaction."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])


def neighbours(wanted: Iterable[str], owner: uuid.UUID | None = None) -> Iterator[str]:
    """Names of other accounts than `owner`, also given up lately, that may be one of these or look like one."""
    user, former = _models()
    folded = {names.folded(name) for name in wanted}
    look = {names.skeleton(name) for name in wanted}
    lower = [name for name in folded if name.isascii()]
    same = Q(username_folded__in=folded) | Q(username_skeleton__in=look) | Q(lower__in=lower)
    users = user.objects.alias(lower=Lower("username")).filter(same)
    yield from users.exclude(pk=owner).values_list("username", flat=True)
    gone = former.objects.filter(Q(folded__in=folded) | Q(skeleton__in=look), until__gt=timezone.now())
    yield from (name or own for name, own in gone.exclude(user_id=owner).values_list("name", "folded"))


def names_fill() -> int:
    """Fill the columns of rows that old code wrote; how many. One query each where there are none."""
    user, former = _models()
    filled = 0
    while rows := list(former.objects.filter(skeleton=None).select_related("user")[:FILLED_TOGETHER]):
        for row in rows:
            # Its account was renamed by old code, too.
            _fill([row.user])
            row.name = row.name or row.folded
            row.skeleton = names.skeleton(row.name)
        former.objects.bulk_update(rows, ["name", "skeleton"])
    empty = user.objects.filter(username_skeleton=None).order_by("pk").only("pk", "username")
    while users := list(empty[:FILLED_TOGETHER]):
        _fill(users)
        filled += len(users)
    return filled


def _fill(users: list[Any]) -> None:
    columns_fill([(each.pk, each.username) for each in users])


def columns_fill(rows: list[tuple[uuid.UUID, str]]) -> None:
    """Store the columns of these accounts (id, name); not of one that is called otherwise meanwhile."""
    table = connection.ops.quote_name(_models()[0]._meta.db_table)
    made = [(names.folded(name), names.skeleton(name), pk, name) for pk, name in rows]
    if connection.vendor == "postgresql":
        # Locked in the order in which everybody locks accounts.
        statement = (
            "WITH n AS (SELECT * FROM unnest(%s::text[], %s::text[], %s::uuid[], %s::text[]) "  # noqa: S608  our own
            f"AS n (folded, look, id, name)), u AS (SELECT id FROM {table} WHERE id IN (SELECT id FROM n) ORDER BY id "
            f"FOR NO KEY UPDATE) UPDATE {table} SET username_folded = n.folded, username_skeleton = n.look "
            f"FROM u JOIN n ON n.id = u.id WHERE {table}.id = u.id AND {table}.username = n.name"
        )
        with connection.cursor() as cursor:
            cursor.execute(statement, [list(column) for column in zip(*made, strict=True)])
        return
    statement = f"UPDATE {table} SET username_folded = %s, username_skeleton = %s WHERE id = %s AND username = %s"  # noqa: S608  ours
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.executemany(statement, [(folded, look, pk.hex, name) for folded, look, pk, name in made])


def _models() -> tuple[Any, Any]:
    """Users and names that were given up; looked up, since accounts.models asks this module."""
    return apps.get_model("accounts", "User"), apps.get_model("accounts", "FormerName")
