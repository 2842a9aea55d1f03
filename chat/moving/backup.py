"""All of our own data as JSON lines: what belongs to it, in which order, and how a table's row is written.

A file is a header, rows, an end: {"reaktor_export": 1, "at", "epoch", "tables": {name: rows}}, then {name: {column:
value…}} for each row, every table after those that it refers to, then {"end": rows}. Without its end it is half a file.
Columns are named, so that newer code reads what older code wrote; bytes are in base64. Read by import_chat, written by
export_chat.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import orjson
from django.apps import apps
from django.db import connection, transaction
from django.db.models import F, ForeignKey, Model, QuerySet

from accounts.models import Mail, MailToken, User
from chat.models import (
    ClusterHost,
    ClusterIdentity,
    ClusterLease,
    History,
    KeptPlace,
    Notice,
    OutboxEntry,
    PushSubscription,
    SearchChange,
    SearchPlace,
)

VERSION = 1
HEADER = "reaktor_export"
END = "end"
ROWS_TOGETHER = 2_000
APPS = ("accounts", "chat", "token_blacklist", "otp_totp", "otp_static")
"""Ended tokens are among it, since a restored server must not take them again; and second factors."""
GROUPS = "accounts.user_groups"
LEFT_OUT = {
    *(ClusterHost, ClusterIdentity, ClusterLease, History, KeptPlace),
    *(Mail, MailToken),
    *(Notice, OutboxEntry, PushSubscription),
    *(SearchChange, SearchPlace),
}
"""What was to be mailed was mailed long ago. The others are the database's own, also after an import. The epoch stands
in the header; in a new history nobody is where they were, and nobody is told again of what was said before. A browser
subscribes anew by itself, and the search index is made anew."""


def tables() -> list[type[Model]]:
    """The models that are exported, each after those that it refers to."""
    models = {model for app in APPS for model in apps.get_app_config(app).get_models()} - LEFT_OUT
    return _ordered(models)


def tables_to_clear() -> list[type[Model]]:
    """Those and whatever else refers to them (the admin's log, groups of users), each before what it refers to."""
    models = set(tables())
    while more := {model for model in apps.get_models(include_auto_created=True) if _refers(model) & models} - models:
        models |= more
    return _ordered(models)[::-1]


def name_of(model: type[Model]) -> str:
    return model._meta.label_lower


def columns_of(model: type[Model]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


def _refers(model: type[Model]) -> set[Any]:
    found = (field.related_model for field in model._meta.concrete_fields if isinstance(field, ForeignKey))
    return {other for other in found if other is not model}


def _ordered(models: set[type[Model]]) -> list[type[Model]]:
    ordered: list[type[Model]] = []
    left = sorted(models, key=name_of)
    while left:
        free = [model for model in left if not _refers(model) & set(left)]
        if not free:
            raise RuntimeError(f"tables that refer to each other in a circle: {', '.join(map(name_of, left))}")
        ordered += free
        left = [model for model in left if model not in free]
    return ordered


@contextmanager
def snapshot() -> Iterator[None]:
    """Everything read inside is of one moment, and nobody waits for it."""
    if connection.vendor == "postgresql":
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield
        return
    # atomic() would begin a transaction that keeps writers out.
    with connection.cursor() as cursor:
        cursor.execute("BEGIN DEFERRED")
        try:
            yield
        finally:
            cursor.execute("ROLLBACK")


def counted() -> dict[str, int]:
    return {name_of(model): model._default_manager.count() for model in tables()} | {GROUPS: _in_groups().count()}


def _in_groups() -> QuerySet[Any, Any]:
    """Who is in which group of the admin: by its name, since ids of groups differ between databases."""
    return User.groups.through._default_manager.values("user_id", group_name=F("group__name")).order_by("pk")


def lines(counts: dict[str, int]) -> Iterator[bytes]:
    """The whole file, line by line; call it inside snapshot()."""
    epoch = History.objects.values_list("epoch", flat=True).first()
    yield _line({HEADER: VERSION, "at": datetime.now(UTC), "epoch": epoch, "tables": counts})
    written = 0
    for model in tables():
        name = name_of(model)
        rows: Iterable[dict[str, Any]] = model._default_manager.order_by("pk").values(*columns_of(model))
        for row in rows.iterator(chunk_size=ROWS_TOGETHER):  # type: ignore[attr-defined]
            written += 1
            yield _line({name: row})
    for row in _in_groups():
        written += 1
        yield _line({GROUPS: row})
    yield _line({END: written})


def _line(value: Any) -> bytes:
    return orjson.dumps(value, _base64, option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_UTC_Z)


def _base64(value: Any) -> str:
    """Columns of bytes; Django's field reads it back. Raises TypeError for all else."""
    return base64.b64encode(memoryview(value)).decode()
